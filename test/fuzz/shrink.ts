/**
 * Makes a failing input smaller for as long as it fails in the same way: pieces are cut out, then
 * bytes are made zero.
 */

/** Runs of one shrinking, so that a slow target comes to an end. */
const TRIES_MAX = 3_000;

/** What a failure is told apart by: its text without numbers, which change as bytes do. */
export function kindOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text
    .split('\n', 1)[0]
    .replaceAll(/[0-9a-f]{2,}|\d+/gi, '#')
    .slice(0, 60);
}

export function shrink(
  input: Uint8Array,
  kind: string,
  run: (input: Uint8Array) => void,
): Uint8Array {
  let tries = 0;
  const fails = (candidate: Uint8Array): boolean => {
    tries += 1;
    try {
      run(candidate);
      return false;
    } catch (error) {
      return kindOf(error) === kind;
    }
  };
  let best = input;
  for (let isBetter = true; isBetter && tries < TRIES_MAX; ) {
    isBetter = false;
    for (let size = best.length >> 1 || 1; size >= 1 && tries < TRIES_MAX; size >>= 1) {
      for (let at = best.length - size; at >= 0 && tries < TRIES_MAX; at -= size) {
        const candidate = without(best, at, size);
        if (!fails(candidate)) continue;
        best = candidate;
        isBetter = true;
      }
    }
    for (let at = 0; at < best.length && tries < TRIES_MAX; at++) {
      if (best[at] === 0) continue;
      const candidate = best.slice();
      candidate[at] = 0;
      if (!fails(candidate)) continue;
      best = candidate;
      isBetter = true;
    }
  }
  return best;
}

function without(bytes: Uint8Array, at: number, count: number): Uint8Array {
  const rest = new Uint8Array(bytes.length - count);
  rest.set(bytes.subarray(0, at));
  rest.set(bytes.subarray(at + count), at);
  return rest;
}
