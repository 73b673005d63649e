/**
 * What of a table's steps is logged, and when. One instance per view of a table; without a log
 * there is none, and a step costs nothing more.
 *
 * Beside its row each slot has notes here: the oldest segment that its session still needs, because
 * its data or its reply were last written there; the activity that its last entry tells of, which
 * says how much more recovery must allow for; and where that entry ends, which is what an answer
 * about the session must wait for.
 */
import type { Arena } from './arena.ts';
import { Header, NOTES_WORDS, ORDER_WORDS, ROW_SHIFT, Row, RowFlag } from './layout.ts';
import type { Ledger } from './ledger.ts';
import { TOUCH_LOG_MS_MAX, TOUCH_LOG_PARTS, TTL_NEVER } from './limits.ts';
import { type LogBuffer, LogState } from './log-buffer.ts';
import {
  appendState,
  EntryPart,
  entryWordsMax,
  fillEnd,
  GIVES_PLACE,
  NO_SESSION,
} from './log-entry.ts';

/** The words of a slot. */
const enum Note {
  SEGMENT = 0,
  ACTIVE_MS = 1,
  POSITION = 2,
  SLACK_MS = 3,
}

/** A message logs its commit and the end of a session; a successor may log what it cut short. */
const ENTRIES_PER_MESSAGE = 4;

export class SessionLog {
  readonly #arena: Arena;
  readonly #now: Float64Array;
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #rows: number;
  readonly #notes: number;
  readonly #order: number;
  readonly #messageWords: number;

  constructor(
    readonly buffer: LogBuffer,
    arena: Arena,
    now: Float64Array,
  ) {
    this.#arena = arena;
    this.#now = now;
    this.#words = arena.words;
    this.#floats = arena.floats;
    this.#rows = arena.regions.rows;
    this.#notes = arena.regions.notes;
    this.#order = arena.regions.order;
    const longest = entryWordsMax(arena.dataBytesMax, arena.replyBytesMax);
    this.#messageWords = ENTRIES_PER_MESSAGE * longest;
  }

  /** Whether one more message may run. */
  hasRoom(): boolean {
    return this.buffer.hasRoom(this.#messageWords);
  }

  /** Whether the log takes what would have to be kept. */
  get isWritable(): boolean {
    return this.buffer.state === LogState.OK;
  }

  /** A session was admitted. */
  admitted(slot: number): void {
    this.allowed(slot, 0);
    this.#whole(slot);
  }

  /** A request or call committed. `parts` says which payloads it has written. */
  committed(slot: number, parts: number, touches: boolean): void {
    // First, as whoever takes over after a death in between logs the session anew with it.
    if (touches) this.allowed(slot, 0);
    const row = this.#rows + (slot << ROW_SHIFT);
    const words = this.#words;
    const missesData = (parts & EntryPart.DATA) === 0 && words[row + Row.DATA_LENGTH] > 0;
    const missesReply = (parts & EntryPart.REPLY) === 0 && words[row + Row.REPLY_LENGTH] > 0;
    appendState(this.buffer, this.#arena, slot, parts, this.#slackMs(slot));
    if (!missesData && !missesReply) this.#needs(slot);
    this.#logged(slot);
  }

  /**
   * A call committed that changed nothing but times. Its entry is left out while the last one is
   * recent enough; recovery gives every session that much more time. A rate limit is logged each
   * time, so that it cannot be passed by a crash.
   */
  noted(slot: number, touches: boolean): void {
    if (touches) this.allowed(slot, 0);
    const row = this.#rows + (slot << ROW_SHIFT);
    const words = this.#words;
    const noted = words[this.#notes + slot * NOTES_WORDS + Note.ACTIVE_MS];
    const since = (this.#activeMs(slot) - noted) | 0;
    const isRated = (words[row + Row.FLAGS] & RowFlag.RATED) !== 0;
    if (!isRated && since >= 0 && since < touchLogMs(words[row + Row.TTL_MS] >>> 0)) {
      this.buffer.loggedCommits = this.#floats[Header.COMMITS / 2];
      return;
    }
    appendState(this.buffer, this.#arena, slot, 0, this.#slackMs(slot));
    this.#logged(slot);
  }

  /**
   * The session in a row ends now; id and session number are still there. Takes the intent back.
   *
   * @param ledger if it defers, the log's writer gives it the place back
   */
  ended(slot: number, reason: number, ledger: Ledger): void {
    const row = this.#rows + (slot << ROW_SHIFT);
    const mark = ledger.defers ? GIVES_PLACE : 0;
    const at = fillEnd(this.buffer, this.#arena, this.#words, row, this.#now, reason, mark);
    this.buffer.pushEnd(at, this.#words, ledger);
  }

  /** The same of a session that recovery took out: its id and number are six words somewhere. */
  endedBefore(words: Int32Array, at: number, reason: number): void {
    this.buffer.push(fillEnd(this.buffer, this.#arena, words, at, this.#now, reason));
    this.buffer.endPosition = this.buffer.position;
  }

  /** Logs the commit of a session that a dead runner had made and not logged yet. */
  catchUp(slot: number): void {
    const row = this.#rows + (slot << ROW_SHIFT);
    if (this.#floats[(row + Row.COMMIT) >> 1] > this.buffer.loggedCommits) this.#whole(slot);
  }

  /** Logs a session again whole, if it needs a segment up to this one. True if it did. */
  rewrite(slot: number, segment: number): boolean {
    const needed = this.#words[this.#notes + slot * NOTES_WORDS + Note.SEGMENT];
    if (needed > segment) return false;
    // Its state is as safe as before, so nothing waits for this.
    const position = this.positionOf(slot);
    this.#whole(slot);
    this.#words[this.#notes + slot * NOTES_WORDS + Note.POSITION] = position;
    return true;
  }

  /** Logs how many commits there were, before segments are removed that tell it. */
  counted(): void {
    this.buffer.push(fillEnd(this.buffer, this.#arena, NO_SESSION, 0, this.#now, 0));
  }

  /** For recovery: where an entry of a session was found, and whether it was all of it. */
  found(slot: number, segment: number, isWhole: boolean): void {
    if (isWhole) this.#words[this.#notes + slot * NOTES_WORDS + Note.SEGMENT] = segment;
    this.#words[this.#notes + slot * NOTES_WORDS + Note.ACTIVE_MS] = this.#activeMs(slot);
    this.#words[this.#notes + slot * NOTES_WORDS + Note.POSITION] = this.buffer.durablePosition;
  }

  /** How much longer a session lives than its last entry tells, because recovery allowed for it. */
  allowed(slot: number, slackMs: number): void {
    this.#words[this.#notes + slot * NOTES_WORDS + Note.SLACK_MS] = slackMs;
  }

  /** How much of a session's deadline is what recovery allowed for: none once it was touched. */
  #slackMs(slot: number): number {
    return this.#words[this.#notes + slot * NOTES_WORDS + Note.SLACK_MS];
  }

  #whole(slot: number): void {
    const parts = EntryPart.DATA | EntryPart.REPLY;
    appendState(this.buffer, this.#arena, slot, parts, this.#slackMs(slot));
    this.#needs(slot);
    this.#logged(slot);
  }

  /** All of the session is in the segment that is written now, or later. */
  #needs(slot: number): void {
    this.#words[this.#notes + slot * NOTES_WORDS + Note.SEGMENT] = this.buffer.segment;
  }

  /** What an answer that tells of a session's state must wait for. */
  positionOf(slot: number): number {
    return this.#words[this.#notes + slot * NOTES_WORDS + Note.POSITION];
  }

  #logged(slot: number): void {
    const words = this.#words;
    const notes = this.#notes + slot * NOTES_WORDS;
    words[notes + Note.POSITION] = this.buffer.position;
    words[notes + Note.ACTIVE_MS] = (this.#activeMs(slot) - words[notes + Note.SLACK_MS]) | 0;
    this.buffer.loggedCommits = this.#floats[Header.COMMITS / 2];
  }

  /**
   * When a session was last active; of one that never expires, when it last committed. In ms, as
   * an Int32 that wraps after 49 days: what was logged 24 days ago or more seems to be to come.
   */
  #activeMs(slot: number): number {
    const row = this.#rows + (slot << ROW_SHIFT);
    const ttl = this.#words[row + Row.TTL_MS] >>> 0;
    if (ttl !== TTL_NEVER) return Math.floor(this.#floats[(row + Row.DEADLINE) >> 1] - ttl) | 0;
    return Math.floor(this.#floats[(this.#order + slot * ORDER_WORDS) / 2 + 1]) | 0;
  }
}

/** How long the activity of a session may go unlogged: an eighth of its TTL, six days at most. */
export function touchLogMs(ttlMs: number): number {
  return ttlMs === TTL_NEVER ? TOUCH_LOG_MS_MAX : Math.floor(ttlMs / TOUCH_LOG_PARTS);
}
