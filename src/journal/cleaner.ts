/**
 * Keeps the log of a shard short: while the segments before the one that is being written hold
 * more than twice the live state, the sessions that still need the oldest one are logged again,
 * and it is removed.
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

/** Segments may hold so many times the live state before the oldest is cleaned. */
const LIVE_TIMES = 2;

const enum Phase {
  IDLE = 0,
  /** Looking through the slots for sessions that need the oldest segment. */
  WALKING = 1,
  /** What was logged again is on its way to the disk. */
  WAITING = 2,
  /** The oldest segment is being removed. */
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
    if (this.#log.segments < 2) return false;
    const live = this.#table.arena.words[Header.LIVE];
    // Without the segment that is being written: a batch may be longer than a segment should be,
    // and then two full of live state would be cleaned for ever, each into the next.
    const behind = this.#log.bytes - this.#log.tail.offset;
    return behind > LIVE_TIMES * live * this.#meanBytes;
  }

  /** One slice. Only by the holder of the owner word. */
  step(): void {
    if (this.#phase === Phase.IDLE) this.#begin();
    if (this.#phase === Phase.WALKING) this.#walk();
    else if (this.#phase === Phase.WAITING && this.wants()) this.#remove();
  }

  #begin(): void {
    this.#phase = Phase.WALKING;
    this.#segment = this.#log.oldestSegment;
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
      if (log!.rewrite(this.#slot, this.#segment)) budget -= bytes;
    }
    if (this.#slot < words[Header.HIGH_WATER] || !log!.hasRoom()) return;
    log!.counted();
    this.#meanBytes = this.#live === 0 ? 0 : this.#bytes / this.#live;
    this.#position = this.#buffer.position;
    this.#phase = Phase.WAITING;
  }

  #remove(): void {
    this.#phase = Phase.REMOVING;
    this.#log.drop(this.#segment, (outcome, error) => {
      this.#phase = Phase.IDLE;
      if (outcome === Appended.FAILED) this.#writer.fail(error);
    });
  }
}
