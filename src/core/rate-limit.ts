/**
 * The rate limit of a session: the generic cell rate algorithm (GCRA), exact, in integers. What is
 * stored is the theoretical arrival time (TAT), at which the session will have its whole burst
 * again; what still lies between now and it is the backlog.
 *
 * The unit of the backlog is a thousandth of a request. At a rate of `r` a second, `r` units fade
 * every ms, and a request of cost 1 adds 1000: no division, so nothing is rounded. A burst of 10^6
 * is 10^9 units, so backlogs fit an Int32.
 *
 * The TAT counts from the session's creation, in whole ms and the units, fewer than `r`, above
 * them. In units alone it would pass 2^53 within three years at the highest rate. Both parts lie
 * in the 64 bits of `Row.RATE_TAT`: ms in the first word and the upper 15 bits of the second, units
 * in the lower 17. All zeros is a TAT at creation. Read as a Float64 it is never NaN, so copying
 * it as one keeps it.
 */
import { assert } from './assert.ts';
import { Row } from './layout.ts';

const UNITS = 1_000;
const WAIT_MS_MAX = 2 ** 31 - 1;

const enum Tat {
  UNIT_BITS = 17,
  UNIT_MASK = 0x1ffff,
}

/**
 * Whether a session may spend `cost` now: 0 = yes, −1 = never, as it is above the burst, else the
 * ms after which it may, rounded up. Stores nothing. At exactly that time it is admitted, and 1 ms
 * earlier it is not, unless it spent something else in between. Only a clock that went backwards
 * can make the wait longer than 10^9 ms; it is cut off at 2^31 − 1.
 */
export function retryAfter(
  words: Int32Array,
  floats: Float64Array,
  row: number,
  now: Float64Array,
  cost: number,
): number {
  const rate = words[row + Row.RATE_PER_SECOND];
  if (rate === 0) return 0;
  const burst = words[row + Row.RATE_BURST];
  if (cost > burst) return -1;
  const over = backlogAt(words, floats, row, now) + UNITS * cost - UNITS * burst;
  if (over <= 0) return 0;
  return Math.min(Math.ceil(over / rate), WAIT_MS_MAX);
}

/** Spends a cost that `retryAfter` has admitted in the same step. */
export function take(
  words: Int32Array,
  floats: Float64Array,
  row: number,
  now: Float64Array,
  cost: number,
): void {
  const rate = words[row + Row.RATE_PER_SECOND];
  if (rate === 0) return;
  const backlog = backlogAt(words, floats, row, now) + UNITS * cost;
  assert(backlog <= UNITS * words[row + Row.RATE_BURST], 'only an admitted cost is spent');
  store(words, floats, row, now, backlog);
}

function store(
  words: Int32Array,
  floats: Float64Array,
  row: number,
  now: Float64Array,
  backlog: number,
): void {
  const rate = words[row + Row.RATE_PER_SECOND];
  const ms = elapsedMs(floats, row, now) + Math.floor(backlog / rate);
  words[row + Row.RATE_TAT] = ms | 0;
  words[row + Row.RATE_TAT + 1] = (Math.floor(ms / 2 ** 32) << Tat.UNIT_BITS) | (backlog % rate);
}

/** Units from now to the TAT, or 0 when that has passed. */
function backlogAt(
  words: Int32Array,
  floats: Float64Array,
  row: number,
  now: Float64Array,
): number {
  const high = words[row + Row.RATE_TAT + 1];
  const ms = (words[row + Row.RATE_TAT] >>> 0) + (high >>> Tat.UNIT_BITS) * 2 ** 32;
  const ahead = ms - elapsedMs(floats, row, now);
  // A ms is more than all units above the last whole one.
  if (ahead < 0) return 0;
  return ahead * words[row + Row.RATE_PER_SECOND] + (high & Tat.UNIT_MASK);
}

/**
 * Whole ms from creation to now. Each is rounded alone: the difference of two fractions would be
 * rounded by the processor, now up and then down, so that a wait of n ms need not be over n later.
 */
function elapsedMs(floats: Float64Array, row: number, now: Float64Array): number {
  const ms = Math.floor(now[0]) - Math.floor(floats[(row + Row.CREATED) >> 1]);
  return ms > 0 ? ms : 0;
}
