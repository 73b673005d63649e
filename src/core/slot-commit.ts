/**
 * How a commit reaches a session's slot: first its new state is staged and noted as an *intent* in
 * the header, then it is applied. A thread may be stopped between any two writes; whoever takes
 * over applies the intent again (`redo`), so a commit is seen whole or not at all.
 *
 * Threads only end at calls and loop ends, and never between plain writes that follow each other,
 * and a write is never seen before one that precedes it: whoever looks holds the owner word.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import { copyWords } from './copy.ts';
import { Header, Intent, ROW_SHIFT, Row, RowByte, RowFlag } from './layout.ts';
import { TTL_NEVER } from './limits.ts';

/** The flags of a session that outlive its executions. */
const LASTING = RowFlag.LIVE | RowFlag.NEVER | RowFlag.CONNECTION | RowFlag.DOOMED | RowFlag.RATED;

/** `TTL_NEVER` as the word of a row. */
const NEVER_WORD = TTL_NEVER | 0;

export class SlotCommit {
  readonly #arena: Arena;
  readonly #now: Float64Array;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #rows: number;

  constructor(arena: Arena, now: Float64Array) {
    this.#arena = arena;
    this.#now = now;
    this.#words = arena.words;
    this.#floats = arena.floats;
    this.#rows = arena.regions.rows;
  }

  /**
   * Finishes the commit that a dead runner left half applied, from the staged payloads and the
   * intent in the header. Applying twice gives the same row. Index and order are rebuilt after.
   */
  redo(): void {
    const words = this.#words;
    const intent = words[Header.INTENT];
    if (intent !== Intent.REQUEST && intent !== Intent.CALL) return;
    const slot = words[Header.INTENT_SLOT];
    const row = this.#rows + (slot << ROW_SHIFT);
    this.#applyData(row, slot);
    if (intent === Intent.REQUEST) this.#applyReply(row, slot);
    words[Header.INTENT] = Intent.NONE;
  }

  /**
   * Stores a request's staged reply, and its staged data when `dataLength` ≥ 0.
   *
   * @param touches whether the idle time begins anew
   * @param ttlMs the session's new TTL; −1 = as it was
   */
  request(
    slot: number,
    status: number,
    replyLength: number,
    dataLength: number,
    touches: boolean,
    ttlMs: number,
  ): void {
    const words = this.#words;
    const row = this.#rows + (slot << ROW_SHIFT);
    words[Header.INTENT_STATUS] = status;
    words[Header.INTENT_REPLY_LENGTH] = replyLength;
    words[Header.INTENT_REQUEST] = (words[row + Row.REQUEST] + 1) | 0;
    this.#intend(slot, row, dataLength, touches, ttlMs);
    words[Header.INTENT] = Intent.REQUEST;
    this.#applyData(row, slot);
    this.#applyReply(row, slot);
    words[Header.INTENT] = Intent.NONE;
  }

  /** Stores a call's staged data when `dataLength` ≥ 0. */
  call(
    slot: number,
    status: number,
    replyLength: number,
    dataLength: number,
    touches: boolean,
    ttlMs: number,
  ): void {
    const words = this.#words;
    const row = this.#rows + (slot << ROW_SHIFT);
    // Not for the row: whoever takes over from a dead runner answers the call with these.
    words[Header.INTENT_STATUS] = status;
    words[Header.INTENT_REPLY_LENGTH] = replyLength;
    this.#intend(slot, row, dataLength, touches, ttlMs);
    words[Header.INTENT] = Intent.CALL;
    this.#applyData(row, slot);
    words[Header.INTENT] = Intent.NONE;
  }

  /**
   * Commits a call that stores nothing but that it happened. No intent: the writes follow each
   * other without a call or a loop between them.
   */
  note(slot: number, status: number, replyLength: number, touches: boolean): void {
    const words = this.#words;
    const floats = this.#floats;
    const row = this.#rows + (slot << ROW_SHIFT);
    const now = this.#now[0];
    const last = floats[Header.COMMIT_TIME / 2];
    const time = now > last ? now : last;
    const commit = floats[Header.COMMITS / 2] + 1;
    const ttl = words[row + Row.TTL_MS] >>> 0;
    words[Header.INTENT_STATUS] = status;
    words[Header.INTENT_REPLY_LENGTH] = replyLength;
    if (touches) floats[(row + Row.DEADLINE) >> 1] = ttl === TTL_NEVER ? time : time + ttl;
    floats[(row + Row.COMMIT) >> 1] = commit;
    floats[Header.COMMITS / 2] = commit;
    floats[Header.COMMIT_TIME / 2] = time;
  }

  #intend(slot: number, row: number, dataLength: number, touches: boolean, newTtlMs: number): void {
    const words = this.#words;
    const floats = this.#floats;
    assert(dataLength <= this.#arena.dataBytesMax, 'the data is within its limit');
    const commit = floats[Header.COMMITS / 2] + 1;
    const last = floats[Header.COMMIT_TIME / 2];
    const now = this.#now[0];
    const time = now > last ? now : last;
    // As the words of rows: a number above 2^31 that may come from two places is boxed by V8.
    const oldTtl = words[row + Row.TTL_MS];
    const ttl = newTtlMs < 0 ? oldTtl : newTtlMs | 0;
    const kept = floats[(row + Row.DEADLINE) >> 1];
    const active = touches ? time : oldTtl === NEVER_WORD ? kept : kept - (oldTtl >>> 0);
    words[Header.INTENT_SLOT] = slot;
    words[Header.INTENT_DATA_LENGTH] = dataLength;
    floats[Header.INTENT_COMMIT / 2] = commit;
    floats[Header.INTENT_TIME / 2] = time;
    floats[Header.INTENT_VERSION / 2] =
      floats[(row + Row.VERSION) >> 1] + (dataLength >= 0 ? 1 : 0);
    // What neither touches nor sets a TTL leaves the deadline as it is, to the bit.
    const isKept = !touches && newTtlMs < 0;
    const deadline = ttl === NEVER_WORD ? active : active + (ttl >>> 0);
    floats[Header.INTENT_DEADLINE / 2] = isKept ? kept : deadline;
    words[Header.INTENT_SETS_TTL] = newTtlMs < 0 ? 0 : 1;
    words[Header.INTENT_TTL] = ttl;
  }

  #applyData(row: number, slot: number): void {
    const words = this.#words;
    const floats = this.#floats;
    const dataLength = words[Header.INTENT_DATA_LENGTH];
    if (dataLength >= 0) {
      const staged = this.#arena.regions.stagedData;
      copyWords(words, staged, words, this.#arena.dataAt(slot), dataLength);
      words[row + Row.DATA_LENGTH] = dataLength;
      floats[(row + Row.VERSION) >> 1] = floats[Header.INTENT_VERSION / 2];
    }
    floats[(row + Row.DEADLINE) >> 1] = floats[Header.INTENT_DEADLINE / 2];
    if (words[Header.INTENT_SETS_TTL] !== 0) this.#applyTtl(row);
    floats[(row + Row.COMMIT) >> 1] = floats[Header.INTENT_COMMIT / 2];
    floats[Header.COMMITS / 2] = floats[Header.INTENT_COMMIT / 2];
    floats[Header.COMMIT_TIME / 2] = floats[Header.INTENT_TIME / 2];
  }

  #applyTtl(row: number): void {
    const words = this.#words;
    const ttl = words[Header.INTENT_TTL];
    const flags = words[row + Row.FLAGS];
    words[row + Row.TTL_MS] = ttl;
    words[row + Row.FLAGS] =
      ttl >>> 0 === TTL_NEVER ? flags | RowFlag.NEVER : flags & ~RowFlag.NEVER;
  }

  #applyReply(row: number, slot: number): void {
    const words = this.#words;
    const replyLength = words[Header.INTENT_REPLY_LENGTH];
    const staged = this.#arena.regions.stagedReply;
    copyWords(words, staged, words, this.#arena.replyAt(slot), replyLength);
    words[row + Row.REPLY_LENGTH] = replyLength;
    words[row + Row.REQUEST] = words[Header.INTENT_REQUEST];
    words[row + Row.CHECKSUM_LOW] = words[row + Row.EXECUTING_LOW];
    words[row + Row.CHECKSUM_HIGH] = words[row + Row.EXECUTING_HIGH];
    const kept = LASTING | (RowByte.MASK << RowByte.FRONT_END);
    words[row + Row.FLAGS] =
      (words[row + Row.FLAGS] & kept) | (words[Header.INTENT_STATUS] << RowByte.STATUS);
  }

  /** Counts a commit, whose time is then in the header. */
  next(): void {
    const floats = this.#floats;
    const now = this.#now[0];
    if (now > floats[Header.COMMIT_TIME / 2]) floats[Header.COMMIT_TIME / 2] = now;
    floats[Header.COMMITS / 2] += 1;
  }
}
