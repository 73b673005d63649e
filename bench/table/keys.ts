/**
 * Client ids and the order in which they are used, the same for every peer and in every run.
 */

export interface Keys {
  readonly count: number;
  /** Four words an id, as our table takes them. */
  readonly words: Int32Array;
  /** 32 hexadecimal digits an id, as a JavaScript map takes them. */
  readonly texts: readonly string[];
}

export function makeKeys(count: number): Keys {
  const random = xorshift(0x2545f491);
  const words = Int32Array.from({ length: count * 4 }, random);
  const bytes = Buffer.from(words.buffer);
  const texts = Array.from({ length: count }, (_, i) => bytes.toString('hex', i * 16, i * 16 + 16));
  return { count, words, texts };
}

/** Random draws, not a permutation: repeating one would always use the oldest session. */
export function drawOrder(length: number, count: number): Int32Array {
  const random = xorshift(0x6c078965);
  return Int32Array.from({ length }, () => (random() >>> 0) % count);
}

/** Marsaglia's xorshift: repeatable, unlike `Math.random`. */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
}
