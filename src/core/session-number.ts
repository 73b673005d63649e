/**
 * Session numbers as the two words in which rows and messages carry them.
 */
import { Row } from './layout.ts';
import type { Message } from './message.ts';

/** The number itself, up to 2^53 − 1. */
export function sessionNumber(low: number, high: number): number {
  return (high >>> 0) * 0x100000000 + (low >>> 0);
}

/** −1, 0 or 1: how a message's session number stands to the stored one. */
export function compareSession(words: Int32Array, row: number, m: Message): number {
  const high = words[row + Row.SESSION_HIGH];
  const low = words[row + Row.SESSION_LOW];
  if (m.sessionLow === low && m.sessionHigh === high) return 0;
  if (m.sessionHigh !== high) return m.sessionHigh >>> 0 < high >>> 0 ? -1 : 1;
  return m.sessionLow >>> 0 < low >>> 0 ? -1 : 1;
}
