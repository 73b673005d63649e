/**
 * Takes the entries of a shard from its buffer to its log: one batch at a time, of all that came
 * while the one before was written. Only on one thread: the shard's worker, or without workers the
 * one that runs the shard.
 */
import type { Ledger } from '../core/ledger.ts';
import { type LogBuffer, LogState } from '../core/log-buffer.ts';
import { GIVES_PLACE } from '../core/log-entry.ts';
import { Appended, Batch, type Log } from './log.ts';
import { noteOf } from './log-notes.ts';

/** How long to wait before a disk that was full is tried again. */
const RETRY_MS = 100;

export interface LogWriterHooks {
  /** What makes times of the engine's clock times since the Unix epoch. */
  wallOffsetMs(): number;
  /** Answers that waited may go, or messages that were refused are taken again. */
  progressed(): void;
  /** The log has failed for good. */
  failed(error: Error): void;
}

export class LogWriter {
  readonly #buffer: LogBuffer;
  readonly #log: Log;
  readonly #hooks: LogWriterHooks;
  readonly #ledger: Ledger | undefined;
  readonly #batch: Batch;
  /** The buffer's position that the batch under way reaches. */
  #tail = 0;
  /** Places that go back to the ledger with it. */
  #places = 0;
  /** Where this writer's next batch goes; another writer's would have moved the log on. */
  #position: number;
  #isBusy = false;
  #retryAtMs = 0;
  #isAbandoned = false;

  /** @param ledger of the shards, when it defers: gets places back as ends are on disk */
  constructor(buffer: LogBuffer, log: Log, hooks: LogWriterHooks, ledger?: Ledger) {
    this.#ledger = ledger?.defers === true ? ledger : undefined;
    this.#buffer = buffer;
    this.#log = log;
    this.#hooks = hooks;
    this.#position = log.position;
    this.#batch = new Batch(buffer.capacity * 4);
    buffer.resume();
  }

  /** Whether nothing is under way or waiting. */
  get isIdle(): boolean {
    return !this.#isBusy && !this.#buffer.hasEntries();
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /**
   * Begins a batch, if there are entries and none is under way. True if it did. `nowMs` is on any
   * steady clock.
   */
  pump(nowMs: number): boolean {
    const buffer = this.#buffer;
    if (this.#isBusy || !buffer.hasEntries() || buffer.state === LogState.FAILED) return false;
    if (buffer.state === LogState.NO_ROOM && nowMs < this.#retryAtMs) return false;
    this.#retryAtMs = nowMs + RETRY_MS;
    this.#start();
    return true;
  }

  /** Nothing more is written, by this process. */
  fail(error = new Error('the log failed')): void {
    this.#buffer.state = LogState.FAILED;
    this.#hooks.failed(error);
  }

  /** Another writer carries on: what is under way here says nothing to anybody any more. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  #start(): void {
    const batch = this.#batch;
    this.#isBusy = true;
    this.#tail = this.#buffer.tail;
    if (this.#ledger !== undefined) {
      this.#places = this.#buffer.countMarked(this.#tail, GIVES_PLACE);
    }
    batch.length = this.#buffer.copyBatch(this.#tail, batch.bytes, Batch.HEADROOM);
    batch.wallOffsetMs = this.#hooks.wallOffsetMs();
    this.#log.append(batch, this.#position, this.#done);
  }

  readonly #done = (outcome: Appended, error?: Error): void => {
    const buffer = this.#buffer;
    this.#isBusy = false;
    if (this.#isAbandoned) return;
    // Something else of the log failed meanwhile: nothing is promised any more.
    if (buffer.state === LogState.FAILED) return;
    if (outcome === Appended.FAILED) {
      this.fail(error);
    } else if (outcome === Appended.NO_ROOM) {
      buffer.state = LogState.NO_ROOM;
    } else {
      buffer.state = LogState.OK;
      const { tail } = this.#log;
      this.#position = this.#log.position;
      buffer.segment = tail.segment;
      // First, so that whoever is told of an end finds its place free.
      buffer.release(this.#tail, noteOf(tail), this.#ledger, this.#places);
      buffer.setDurable(this.#tail);
    }
    this.#hooks.progressed();
  };
}
