/**
 * Where the entries of a shard go: an append-only log. `FileLog` keeps it on a disk; one that
 * replicates it can take its place, which is why an append names the position it expects: a writer
 * that has been replaced finds another there and is refused.
 */
import { BLOCK_HEADER_BYTES } from './format.ts';

/** What became of a batch. */
export const enum Appended {
  DONE = 0,
  /** Nothing was promised, and the same batch may be tried again when there is room. */
  NO_ROOM = 1,
  /** It is not known what is on disk. Nothing more may be appended by this process. */
  FAILED = 2,
}

export type AppendDone = (outcome: Appended, error?: Error) => void;

/** Entries to append together, with room before them for the header that a log may need. */
export class Batch {
  static readonly HEADROOM = BLOCK_HEADER_BYTES;
  readonly bytes: Buffer;
  /** Bytes of the entries, from `HEADROOM` on. */
  length = 0;
  /** What makes times of the engine's clock times since the Unix epoch. */
  wallOffsetMs = 0;

  constructor(lengthMax: number) {
    this.bytes = Buffer.from(new ArrayBuffer(Batch.HEADROOM + lengthMax));
  }
}

/** Where a log goes on: what a writer leaves to the one that takes over. */
export interface LogTail {
  readonly segment: number;
  /** Where in it the next block goes. */
  readonly offset: number;
}

export interface Log {
  /** The position at which the next batch goes. */
  readonly position: number;
  readonly tail: LogTail;

  /**
   * Appends a batch, whose memory is the log's until `done` is called, with the position moved on:
   * at once or later, on this thread. One batch at a time.
   */
  append(batch: Batch, expectedPosition: number, done: AppendDone): void;
}

/** Promises nothing and takes everything: what an engine without a data directory has. */
export class NoLog implements Log {
  position = 0;
  readonly tail = { segment: 0, offset: 0 };

  append(batch: Batch, expectedPosition: number, done: AppendDone): void {
    if (expectedPosition !== this.position) return done(Appended.FAILED, fenced(expectedPosition));
    this.position += batch.length;
    done(Appended.DONE);
  }
}

export function fenced(expectedPosition: number): Error {
  return new Error(`another writer appended at ${expectedPosition}: this one has been replaced`);
}
