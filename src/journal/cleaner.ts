/**
 * Keeps the log of a shard short: before its segments hold more than twice the live state, the
 * sessions that still need the oldest ones are logged again, and those are removed.
 *
 * A walk through all slots takes many slices, in which the log grows. So it begins earlier by as
 * much as the log grew during the last one, and is for as many segments as that makes necessary.
 * How long the live state is, a walk measures too: one for nothing else is made when each session
 * may have changed its size since.
 *
 * After the log cleaning of Rosenblum and Ousterhout, "The Design and Implementation of a
 * Log-Structured File System" (1992), the oldest segment first, so that an end of a session is
 * never removed before what it ends. Works in slices, between messages.
 */
import { Header, ROW_SHIFT, Row, RowFlag } from '../core/layout.ts';
import type { LogBuffer } from '../core/log-buffer.ts';
import { Entry } from '../core/log-entry.ts';
import type { SessionTable } from '../core/session-table.ts';
import type { FileLog } from './file-log.ts';
import { Appended } from './log.ts';
import type { LogWriter } from './log-writer.ts';

/** Rows looked at in a slice: some tens of microseconds. */
const ROWS_MAX = 4_096;

/** Bytes logged again in a slice: some tenths of a millisecond. */
const BYTES_MAX = 256 * 1024;

/** Segments may hold so many times the live state. */
const LIVE_TIMES = 2;

/** A walk that gained nothing is not repeated before the log grew by a part of the live state. */
const REST_PARTS = 4;

/** A walk that only measures is for no segment. */
const NO_SEGMENT = -1;

/** Few sessions are not measured more often than every so many commits. */
const COMMITS_MIN = 64;

const enum Phase {
  IDLE = 0,
  /** Looking through the slots for sessions that need the oldest segments. */
  WALKING = 1,
  /** What was logged again is on its way to the disk. */
  WAITING = 2,
  /** The oldest segments are being removed. */
  REMOVING = 3,
}

export class Cleaner {
  readonly #table: SessionTable;
  readonly #buffer: LogBuffer;
  readonly #log: FileLog;
  readonly #writer: LogWriter;
  #phase = Phase.IDLE;
  #segment = 0;
  #slot = 0;
  /** Where the last session that was logged again ends in the buffer. */
  #position = 0;
  /** Sums of the walk under way, and the mean size of a session that the last one found. */
  #bytes = 0;
  #live = 0;
  #meanBytes = 0;
  /** The commits up to which sizes are known; −1 before the first walk. */
  #measuredCommits = -1;
  /** Where the log ended when the walk began, and what the walk has appended itself. */
  #beganAt = 0;
  #rewritten = 0;
  /** Where the log must have come before another walk is worth it. */
  #restUntil = 0;
  /** By how much others made the log longer from the begin of a walk to its end. */
  #growth = 0;

  constructor(table: SessionTable, buffer: LogBuffer, log: FileLog, writer: LogWriter) {
    this.#table = table;
    this.#buffer = buffer;
    this.#log = log;
    this.#writer = writer;
  }

  /** Whether a slice should be done soon. */
  wants(): boolean {
    if (this.#phase === Phase.WALKING) return true;
    if (this.#phase === Phase.WAITING) return this.#buffer.isDurable(this.#position);
    if (this.#phase === Phase.REMOVING) return false;
    if (this.#log.segments < 2 || this.#log.position < this.#restUntil) return false;
    return this.#isStale() || this.#excess() > 0;
  }

  #isStale(): boolean {
    const { words, floats } = this.#table.arena;
    if (this.#measuredCommits < 0) return true;
    const commits = floats[Header.COMMITS / 2] - this.#measuredCommits;
    return commits >= Math.max(words[Header.LIVE], COMMITS_MIN);
  }

  /**
   * How many bytes too many the segments would hold at the end of a walk that began now, with all
   * but a segment of what it logs again.
   */
  #excess(): number {
    const live = this.#table.arena.words[Header.LIVE] * this.#meanBytes;
    // However fast it grows: a log of less than that would be written again all the time.
    const again = Math.max(0, this.#rewritten - this.#log.segmentBytesMax);
    const growth = Math.min(this.#growth + Math.min(again, this.#growth), live / 2);
    return this.#log.bytes + growth - LIVE_TIMES * live;
  }

  /** One slice. Only by the holder of the owner word. */
  step(): void {
    if (this.#phase === Phase.IDLE) this.#begin();
    if (this.#phase === Phase.WALKING) this.#walk();
    else if (this.#phase === Phase.WAITING && this.wants()) this.#remove();
  }

  #begin(): void {
    const excess = this.#excess();
    const isForSegments = this.#measuredCommits >= 0 && excess > 0;
    this.#phase = Phase.WALKING;
    // What the walk itself logs again is not gained by it: about as much as the last one did.
    const needed = excess + Math.min(this.#rewritten, this.#growth);
    this.#segment = isForSegments ? this.#log.oldestOf(needed) : NO_SEGMENT;
    this.#beganAt = this.#log.position;
    this.#rewritten = 0;
    this.#measuredCommits = this.#table.arena.floats[Header.COMMITS / 2];
    this.#slot = 0;
    this.#bytes = 0;
    this.#live = 0;
  }

  #walk(): void {
    const { arena, log } = this.#table;
    const { words, regions } = arena;
    const end = Math.min(words[Header.HIGH_WATER], this.#slot + ROWS_MAX);
    let budget = BYTES_MAX;
    for (; this.#slot < end && budget > 0; this.#slot++) {
      const row = regions.rows + (this.#slot << ROW_SHIFT);
      if ((words[row + Row.FLAGS] & RowFlag.LIVE) === 0) continue;
      // Back-pressure: the walk goes on when the writer has caught up.
      if (!log!.hasRoom()) return;
      const bytes =
        4 * Entry.PAYLOADS + words[row + Row.DATA_LENGTH] + words[row + Row.REPLY_LENGTH];
      this.#bytes += bytes;
      this.#live += 1;
      if (!log!.rewrite(this.#slot, this.#segment)) continue;
      budget -= bytes;
      this.#rewritten += bytes;
    }
    if (this.#slot < words[Header.HIGH_WATER] || !log!.hasRoom()) return;
    if (this.#segment !== NO_SEGMENT) log!.counted();
    this.#meanBytes = this.#live === 0 ? 0 : this.#bytes / this.#live;
    this.#growth = Math.max(0, this.#log.position - this.#beganAt - this.#rewritten);
    this.#position = this.#buffer.position;
    this.#phase = this.#segment === NO_SEGMENT ? Phase.IDLE : Phase.WAITING;
  }

  #remove(): void {
    const { bytes } = this.#log;
    this.#phase = Phase.REMOVING;
    this.#log.drop(this.#segment, (outcome, error) => {
      this.#phase = Phase.IDLE;
      // A batch may be longer than a segment should be: two segments full of live state would be
      // cleaned for ever, each into the next.
      const isWasted = this.#log.segments <= 2 && bytes - this.#log.bytes <= this.#rewritten;
      if (isWasted) this.#restUntil = this.#log.position + this.#bytes / REST_PARTS;
      if (outcome === Appended.FAILED) this.#writer.fail(error);
    });
  }
}
