/**
 * The journal of one shard, on the thread that writes it: its log, the writer that fills it from
 * the shard's buffer, and the cleaner that keeps it short.
 */
import { type LogBuffer, LogState } from '../core/log-buffer.ts';
import type { SessionTable } from '../core/session-table.ts';
import { Cleaner } from '../journal/cleaner.ts';
import type { Disk } from '../journal/disk.ts';
import { FileLog, type FileLogConfig } from '../journal/file-log.ts';
import { Appended } from '../journal/log.ts';
import { notedTail } from '../journal/log-notes.ts';
import { LogWriter } from '../journal/log-writer.ts';
import { Clock } from './clock.ts';
import type { ShardMeter } from './shard-meter.ts';

/** The wall clock has been set, or has been drifting, when it is so far from where it should be. */
const WALL_CLOCK_SET_MS = 50;

export interface ShardJournalHooks {
  /** Answers may go, or messages may be taken again. */
  progressed(): void;
  failed(error: Error): void;
}

export class ShardJournal {
  readonly #buffer: LogBuffer;
  readonly #log: FileLog;
  readonly #writer: LogWriter;
  readonly #cleaner: Cleaner;
  readonly #syncs: boolean;
  readonly #meter: ShardMeter;
  readonly #clock = new Clock();
  /** Up to where batches were counted. */
  #counted: number;
  #knownWallOffsetMs: number;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param table a table with a log, whose buffer holds the place where the log goes on
   * @param wallOffsetMs what made times of the engine's clock times of day when it started
   * @param intervalMs how often to sync what batches do not wait for; 0 = never
   */
  constructor(
    disk: Disk,
    config: FileLogConfig,
    table: SessionTable,
    meter: ShardMeter,
    { intervalMs, wallOffsetMs }: { intervalMs: number; wallOffsetMs: number },
    hooks: ShardJournalHooks,
  ) {
    const { buffer } = table.log!;
    this.#buffer = buffer;
    this.#knownWallOffsetMs = wallOffsetMs;
    this.#syncs = config.syncs;
    this.#log = new FileLog(disk, config, notedTail(buffer));
    this.#log.onSync = (durationMs) => meter.synced(durationMs);
    this.#meter = meter;
    this.#counted = this.#log.position;
    this.#count();
    const written = {
      wallOffsetMs: () => this.#wallOffsetMs(),
      progressed: () => {
        this.#count();
        hooks.progressed();
      },
      failed: (error: Error) => hooks.failed(error),
    };
    this.#writer = new LogWriter(buffer, this.#log, written, table.ledger);
    this.#cleaner = new Cleaner(table, buffer, this.#log, this.#writer);
    if (intervalMs > 0) this.#timer = setInterval(() => this.#sync(), intervalMs).unref();
  }

  /** Whether there is anything to write, now or when there is room. */
  hasEntries(): boolean {
    return this.#buffer.hasEntries();
  }

  /** Whether a batch could begin now. */
  hasWork(): boolean {
    return this.#buffer.state === LogState.OK && !this.#writer.isBusy && this.#buffer.hasEntries();
  }

  /** Whether all that was published is written, as far as it can be now. */
  get isIdle(): boolean {
    return this.#buffer.state !== LogState.OK || this.#writer.isIdle;
  }

  /**
   * Begins a batch, if there is something to write and none is under way. True if it did.
   *
   * @param mayBlock whether this thread has nothing else to do until it is on disk: then it waits
   *     itself, which costs less than being woken
   */
  pump(mayBlock: boolean): boolean {
    this.#log.blocks = mayBlock;
    return this.#writer.pump(performance.now());
  }

  /** Whether `clean` should be called soon, by the holder of the owner word. */
  wantsCleaning(): boolean {
    return this.#buffer.state === LogState.OK && this.#cleaner.wants();
  }

  clean(): void {
    this.#cleaner.step();
    this.#count();
  }

  /** Writes and syncs what is left, and lets go of the files. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#buffer.state !== LogState.FAILED && !this.#syncs) {
      await new Promise<void>((resolve) => this.#sync(resolve));
    }
    this.#log.close();
  }

  /** The loop has failed, and another on this thread may carry on: this one lets go. */
  async abandon(): Promise<void> {
    clearInterval(this.#timer);
    this.#writer.abandon();
    // What comes after writes to the same place.
    while (this.#log.isInUse) await new Promise(setImmediate);
    this.#log.close();
  }

  /**
   * The same for all batches of all shards until the wall clock is set: `Date.now()` counts whole
   * milliseconds, and what differs by parts of one would change the order of commits at recovery.
   */
  #wallOffsetMs(): number {
    this.#clock.read();
    const offset = Date.now() - this.#clock.cell[0];
    if (Math.abs(offset - this.#knownWallOffsetMs) > WALL_CLOCK_SET_MS) {
      this.#knownWallOffsetMs = offset;
    }
    return this.#knownWallOffsetMs;
  }

  /** Notes what was written since, and what the log takes on the disk. */
  #count(): void {
    const { position, segments, bytes } = this.#log;
    if (position !== this.#counted) this.#meter.wrote(position - this.#counted);
    this.#counted = position;
    this.#meter.occupies(segments, bytes);
  }

  #sync(done?: () => void): void {
    this.#log.sync((outcome, error) => {
      if (outcome === Appended.FAILED) this.#writer.fail(error);
      done?.();
    });
  }
}
