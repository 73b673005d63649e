/**
 * What one front end counts of its connections, on its own thread.
 */
import type { ErrorCode } from '../core/codes.ts';
import { ERROR_NAMES } from '../core/codes.ts';
import { Histogram } from '../core/histogram.ts';
import type { Clock } from './clock.ts';

/** How late the event loop was. */
export interface LoopDelay {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

/** What the server itself knows of its connections. */
export interface FrontEndSource {
  readonly connections: number;
  readonly connectionsMax: number;
  readonly bytesOut: number;
}

export class FrontEndMeter {
  readonly #clock: Clock;
  /** Undefined in an engine without a server. */
  server: FrontEndSource | undefined;
  /** Connections that were taken, and that were turned away, since the start. */
  accepted = 0;
  refused = 0;
  bytesIn = 0;
  /** Of requests and calls of connections: from the frame read to the answer written out. */
  readonly durations = new Histogram();
  /** Refusals that no shard knows of, by code. */
  readonly errors = new Float64Array(ERROR_NAMES.length);
  /** Set by whoever measures it. */
  loopDelay: (() => LoopDelay) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The time at the clock's last reading, as an Int32 of microseconds that wraps; never 0. */
  get nowUs(): number {
    return (this.#clock.cell[0] * 1e3) | 0 || 1;
  }

  error(code: ErrorCode): void {
    this.errors[code] += 1;
  }
}
