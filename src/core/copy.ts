/**
 * Copies payloads between arenas, rings and scratch memory, a word at a time. All payloads start
 * at a multiple of 4 bytes, so for the short ones that requests carry this beats a call into the
 * runtime, and it allocates nothing (`subarray` and `set` would).
 */
export function copyWords(
  from: Int32Array,
  fromWord: number,
  to: Int32Array,
  toWord: number,
  lengthBytes: number,
): void {
  const count = (lengthBytes + 3) >>> 2;
  for (let i = 0; i < count; i++) to[toWord + i] = from[fromWord + i];
}
