/**
 * What a shard counts for whoever looks after it, in shared memory, so that reading it costs the
 * shard nothing. Two parts, each with one writer at a time: the operations belong to the holder of
 * the owner word, the journal to the thread that writes the shard's log.
 *
 *     operations: 64 bytes each: executed, failed, timed, their sum, the longest, when the next
 *                 is timed (f64) │ 2 spare
 *     journal:    batches, bytes written, segments, bytes on disk (f64) │ 4 spare
 *     syncs:      a histogram
 *
 * Readers take no lock. By the letter of the language a Float64 may be read while half of it is
 * written; on the 64-bit machines that Node runs on it is loaded and stored in one piece. Numbers
 * that belong together, as a sum and its count, may be one step apart, which nobody can tell.
 */
import { HISTOGRAM_FLOATS, Histogram } from '../core/histogram.ts';

/** Operation numbers are one byte. */
const OPERATIONS = 256;
/** A cache line, so that two operations do not share one. */
const OPERATION_FLOATS = 8;

const enum Of {
  EXECUTED = 0,
  FAILED = 1,
  TIMED = 2,
  SUM_US = 3,
  MAX_US = 4,
  NEXT_MS = 5,
}

const JOURNAL = OPERATIONS * OPERATION_FLOATS;

const enum Log {
  BATCHES = 0,
  BYTES = 1,
  SEGMENTS = 2,
  DISK_BYTES = 3,
  WORDS = 8,
}

const SYNCS = JOURNAL + Log.WORDS;

/**
 * Of each operation one execution is timed in so many milliseconds at most: two readings of the
 * clock cost as much as the rest, and V8 boxes what they say.
 */
const TIMED_EVERY_MS = 1;

export function createShardMeter(): SharedArrayBuffer {
  return new SharedArrayBuffer((SYNCS + HISTOGRAM_FLOATS) * Float64Array.BYTES_PER_ELEMENT);
}

/** What one operation came to on one shard. */
export interface OperationCounts {
  readonly count: number;
  readonly failed: number;
  readonly timed: number;
  readonly sumUs: number;
  readonly maxUs: number;
}

export class ShardMeter {
  readonly #floats: Float64Array;
  /** How long syncs of the log took. */
  readonly syncs: Histogram;

  constructor(memory: SharedArrayBuffer) {
    this.#floats = new Float64Array(memory);
    this.syncs = new Histogram(this.#floats, SYNCS);
  }

  /**
   * Counts an execution. True if it is to be timed; the first is, so that each has a time.
   *
   * @param now the engine's clock, a cell because V8 boxes a fraction that is passed
   */
  began(operation: number, now: Float64Array): boolean {
    const floats = this.#floats;
    const at = operation * OPERATION_FLOATS;
    floats[at + Of.EXECUTED] += 1;
    if (now[0] < floats[at + Of.NEXT_MS]) return false;
    floats[at + Of.NEXT_MS] = now[0] + TIMED_EVERY_MS;
    return true;
  }

  failed(operation: number): void {
    this.#floats[operation * OPERATION_FLOATS + Of.FAILED] += 1;
  }

  took(operation: number, us: number): void {
    const floats = this.#floats;
    const at = operation * OPERATION_FLOATS;
    floats[at + Of.TIMED] += 1;
    floats[at + Of.SUM_US] += us;
    if (us > floats[at + Of.MAX_US]) floats[at + Of.MAX_US] = us;
  }

  operation(number: number): OperationCounts {
    const floats = this.#floats;
    const at = number * OPERATION_FLOATS;
    return {
      count: floats[at + Of.EXECUTED],
      failed: floats[at + Of.FAILED],
      timed: floats[at + Of.TIMED],
      sumUs: floats[at + Of.SUM_US],
      maxUs: floats[at + Of.MAX_US],
    };
  }

  /** A batch of the log is as safe as the engine promises. */
  wrote(bytes: number): void {
    this.#floats[JOURNAL + Log.BATCHES] += 1;
    this.#floats[JOURNAL + Log.BYTES] += bytes;
  }

  /** What the log takes on the disk now. */
  occupies(segments: number, bytes: number): void {
    this.#floats[JOURNAL + Log.SEGMENTS] = segments;
    this.#floats[JOURNAL + Log.DISK_BYTES] = bytes;
  }

  synced(durationMs: number): void {
    this.syncs.add(Math.round(durationMs * 1e3));
  }

  get batches(): number {
    return this.#floats[JOURNAL + Log.BATCHES];
  }

  get bytes(): number {
    return this.#floats[JOURNAL + Log.BYTES];
  }

  get segments(): number {
    return this.#floats[JOURNAL + Log.SEGMENTS];
  }

  get diskBytes(): number {
    return this.#floats[JOURNAL + Log.DISK_BYTES];
  }
}
