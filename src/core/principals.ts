/**
 * Whose each session is: two words of its row. Two zeros stand for nobody in particular, which is
 * what every session has on a server without tokens.
 */
import { Row } from './layout.ts';
import type { Message } from './message.ts';

/** Makes the session in a row somebody's. */
export function bindPrincipal(words: Int32Array, row: number, low: number, high: number): void {
  words[row + Row.PRINCIPAL_LOW] = low;
  words[row + Row.PRINCIPAL_HIGH] = high;
}

/** Whether a message comes from nobody in particular, who is trusted: an embedding caller. */
export function isTrusted(m: Message): boolean {
  return (m.principalLow | m.principalHigh) === 0;
}

/** Whether a message may speak for the session in a row. */
export function speaksFor(words: Int32Array, row: number, m: Message): boolean {
  if (isTrusted(m)) return true;
  const isLow = words[row + Row.PRINCIPAL_LOW] === m.principalLow;
  return isLow && words[row + Row.PRINCIPAL_HIGH] === m.principalHigh;
}
