/**
 * What entries of a log may say. Their checksums were right, so what is found here was written by a
 * program that was wrong, or by somebody else: it must not become a session that breaks a table.
 */
import { STATUS_NAMES } from './codes.ts';
import { CorruptLogError, InvalidOptionError } from './errors.ts';
import { Row, RowByte, RowFlag } from './layout.ts';
import {
  CAPABILITIES_MAX,
  PAYLOAD_BYTES_MAX,
  RATE_BURST_MAX,
  RATE_PER_SECOND_MAX,
  TTL_NEVER,
} from './limits.ts';
import { EndEntry, Entry, EntryPart } from './log-entry.ts';
import { sessionNumber } from './session-number.ts';

/** Throws `CorruptLogError` when the state at a word cannot be that of any session. */
export function checkState(
  words: Int32Array,
  floats: Float64Array,
  at: number,
  shiftMs: number,
): void {
  const row = at + Entry.ROW;
  const session = sessionNumber(words[row + Row.SESSION_LOW], words[row + Row.SESSION_HIGH]);
  const commit = floats[(row + Row.COMMIT) >> 1];
  const isOne =
    isCount(session) &&
    session > 0 &&
    isCount(commit) &&
    commit >= session &&
    isCount(floats[(row + Row.VERSION) >> 1]) &&
    areFlags(words[row + Row.FLAGS], words[row + Row.TTL_MS] >>> 0) &&
    isWithin(words[row + Row.DATA_LENGTH], PAYLOAD_BYTES_MAX) &&
    isWithin(words[row + Row.REPLY_LENGTH], PAYLOAD_BYTES_MAX) &&
    isWithin(words[row + Row.RATE_PER_SECOND], RATE_PER_SECOND_MAX) &&
    isWithin(words[row + Row.RATE_BURST], RATE_BURST_MAX) &&
    isWithin(words[row + Row.CAPABILITIES], 2 ** CAPABILITIES_MAX - 1) &&
    isTime(floats[(at + Entry.TIME) >> 1] + shiftMs) &&
    isTime(floats[(row + Row.DEADLINE) >> 1] + shiftMs) &&
    isTime(floats[(row + Row.CREATED) >> 1] + shiftMs);
  if (!isOne) throw new CorruptLogError('a state that no session can have');
}

/** The same for the end at a word. */
export function checkEnd(floats: Float64Array, at: number): void {
  if (isCount(floats[(at + EndEntry.COMMITS) >> 1])) return;
  throw new CorruptLogError('an end with a number of commits that cannot be');
}

/** Whether a state carries all that its session has. */
export function isWhole(words: Int32Array, at: number): boolean {
  const parts = words[at + 1];
  const from = at + Entry.ROW;
  const hasData = (parts & EntryPart.DATA) !== 0 || words[from + Row.DATA_LENGTH] === 0;
  return hasData && ((parts & EntryPart.REPLY) !== 0 || words[from + Row.REPLY_LENGTH] === 0);
}

/** Throws `InvalidOptionError` when a stored payload is longer than an option allows. */
export function fits(option: string, length: number, max: number): void {
  if (length <= max) return;
  throw new InvalidOptionError(option, max, `at least ${length}: a stored session has so much`);
}

function isWithin(value: number, max: number): boolean {
  return value >= 0 && value <= max;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Times are fractions, and as near to zero as those that can be counted exactly. */
function isTime(value: number): boolean {
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

function areFlags(flags: number, ttl: number): boolean {
  const isLive = (flags & RowFlag.LIVE) !== 0;
  const isNever = (flags & RowFlag.NEVER) !== 0;
  const status = (flags >>> RowByte.STATUS) & RowByte.MASK;
  return isLive && isNever === (ttl === TTL_NEVER) && ttl > 0 && status < STATUS_NAMES.length;
}
