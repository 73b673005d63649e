/**
 * The entries of a shard's log. Each tells a session's whole new state, or its end; the last one
 * about a session counts, and what it leaves out is as the one before said.
 *
 *     state: words, kind and parts │ commit time (f64) │ row words 0–27 │ data │ reply
 *            of a session that is somebody's, the high word of its principal stands in that of
 *            the token, which means nothing to another process
 *     end:   words, kind and reason │ time (f64) │ id (4), session (2) │ commits (f64)
 *            of session 0, which nobody has, when only the number of commits is to be told;
 *            marked when the writer gives the place back to the ledger
 *
 * Times are those of the engine's clock; whoever writes entries to disk notes what makes them
 * times of day. Data and reply begin at even words.
 */
import type { Arena } from './arena.ts';
import { copyWords } from './copy.ts';
import { evenWords, Header, ORDER_WORDS, ROW_SHIFT, Row } from './layout.ts';
import type { LogBuffer } from './log-buffer.ts';
import { bindPrincipal } from './principals.ts';

export const enum EntryKind {
  STATE = 1,
  END = 2,
  MASK = 0xff,
}

/** What a state entry carries, beside the kind in its second word. */
export const enum EntryPart {
  DATA = 0x100,
  REPLY = 0x200,
  /** The session is somebody's. */
  PRINCIPAL = 0x400,
}

/** In the second word of an end entry: its place is given back once the entry is on disk. */
export const GIVES_PLACE = 0x1_0000;

/** The words of a state entry. */
export const enum Entry {
  TIME = 2,
  ROW = 4,
  PAYLOADS = 32,
}

/** The words of an end entry, and how many they are. */
export const enum EndEntry {
  TIME = 2,
  ID = 4,
  COMMITS = 10,
  WORDS = 12,
}

/** An id and a session number, as they begin a row. */
export const END_ID_WORDS = 6;

/** How many words of a row are copied, and which of them tells the rest of the principal. */
const ROW_WORDS_LOGGED = 28;
const PRINCIPAL_HIGH = Row.TOKEN;
const REASON_SHIFT = 8;

/** Words of the longest entry. */
export function entryWordsMax(dataBytesMax: number, replyBytesMax: number): number {
  return Entry.PAYLOADS + evenWords(dataBytesMax) + evenWords(replyBytesMax);
}

/**
 * Appends the state of a slot, with data and reply as `parts` says. There must be room.
 *
 * @param slackMs how much of the deadline is what recovery allowed for: it would allow that again
 */
export function appendState(
  buffer: LogBuffer,
  arena: Arena,
  slot: number,
  parts: number,
  slackMs: number,
): void {
  const { words, floats, regions } = arena;
  const row = regions.rows + (slot << ROW_SHIFT);
  const dataLength = (parts & EntryPart.DATA) !== 0 ? words[row + Row.DATA_LENGTH] : 0;
  const replyLength = (parts & EntryPart.REPLY) !== 0 ? words[row + Row.REPLY_LENGTH] : 0;
  const dataWords = evenWords(dataLength);
  const total = Entry.PAYLOADS + dataWords + evenWords(replyLength);
  const principalHigh = words[row + Row.PRINCIPAL_HIGH];
  const isBound = (words[row + Row.PRINCIPAL_LOW] | principalHigh) !== 0;
  const kind = EntryKind.STATE | parts | (isBound ? EntryPart.PRINCIPAL : 0);
  const at = buffer.claim(total, kind);
  const to = buffer.words;
  const time = ((regions.order + slot * ORDER_WORDS) >> 1) + 1;
  buffer.floats[(at + Entry.TIME) >> 1] = floats[time];
  for (let i = 0; i < ROW_WORDS_LOGGED; i++) to[at + Entry.ROW + i] = words[row + i];
  if (isBound) to[at + Entry.ROW + PRINCIPAL_HIGH] = principalHigh;
  if (slackMs !== 0) buffer.floats[(at + Entry.ROW + Row.DEADLINE) >> 1] -= slackMs;
  const payloads = at + Entry.PAYLOADS;
  copyWords(words, arena.dataAt(slot), to, payloads, dataLength);
  copyWords(words, arena.replyAt(slot), to, payloads + dataWords, replyLength);
  buffer.push(at);
}

/** Makes the session in a row that of whoever the state at a word says. */
export function bindLogged(to: Int32Array, row: number, words: Int32Array, at: number): void {
  // Entries from before there were principals have other things in those two words.
  const isBound = (words[at + 1] & EntryPart.PRINCIPAL) !== 0;
  const low = isBound ? words[at + Entry.ROW + Row.PRINCIPAL_LOW] : 0;
  bindPrincipal(to, row, low, isBound ? words[at + Entry.ROW + PRINCIPAL_HIGH] : 0);
}

/** For `fillEnd` when it only tells the number of commits. */
export const NO_SESSION = new Int32Array(END_ID_WORDS);

/**
 * Begins the entry of a session's end, whose id and session number are the six words at `at`.
 * Returns where it lies; it is complete, but not pushed yet.
 */
export function fillEnd(
  buffer: LogBuffer,
  arena: Arena,
  words: Int32Array,
  at: number,
  now: Float64Array,
  reason: number,
  mark = 0,
): number {
  const kind = EntryKind.END | (reason << REASON_SHIFT) | mark;
  const entry = buffer.claim(EndEntry.WORDS, kind);
  const to = buffer.words;
  buffer.floats[(entry + EndEntry.TIME) >> 1] = now[0];
  for (let i = 0; i < END_ID_WORDS; i++) to[entry + EndEntry.ID + i] = words[at + i];
  buffer.floats[(entry + EndEntry.COMMITS) >> 1] = arena.floats[Header.COMMITS / 2];
  return entry;
}
