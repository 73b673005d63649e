/**
 * When the next request is to be sent, and when it is over. In a closed loop the next one may leave
 * as soon as there is room. In an open loop each has its time on a fixed schedule, whether or not
 * the server keeps up: latency is then counted from that time, so that a server which stalls is
 * charged with every request that had to wait for it.
 *
 * It knows no clock: the caller says what time it is, in milliseconds.
 */

/** A request of a closed loop has no time of its own. */
export const UNSCHEDULED = -1;

export class Pace {
  /** Requests given out so far. */
  issued = 0;
  readonly #intervalMs: number;
  readonly #most: number;
  /** Nothing is given out before the start. */
  #limit = 0;
  #startMs = 0;

  /**
   * @param perSecond requests a second; 0 = a closed loop
   * @param limit requests in all; Infinity = until `stop`
   */
  constructor(perSecond: number, limit: number) {
    this.#intervalMs = perSecond === 0 ? 0 : 1000 / perSecond;
    this.#most = limit;
  }

  get isOpenLoop(): boolean {
    return this.#intervalMs > 0;
  }

  /** No more requests will be given out. */
  get isOver(): boolean {
    return this.issued >= this.#limit;
  }

  start(nowMs: number): void {
    this.#startMs = nowMs;
    this.#limit = this.#most;
  }

  stop(): void {
    this.#limit = this.issued;
  }

  /** Whether a request may leave at this time. */
  ready(nowMs: number): boolean {
    return this.issued < this.#limit && (this.#intervalMs === 0 || this.nextMs <= nowMs);
  }

  /** Gives the next request out: when it was due, or `UNSCHEDULED`. */
  take(): number {
    const due = this.#intervalMs === 0 ? UNSCHEDULED : this.nextMs;
    this.issued += 1;
    return due;
  }

  /** When the next request is due; multiplied anew each time, so that no error adds up. */
  get nextMs(): number {
    return this.#startMs + this.issued * this.#intervalMs;
  }

  /** Requests that were due by now and could not be given out. */
  behind(nowMs: number): number {
    if (this.#intervalMs === 0) return 0;
    const due = Math.floor((nowMs - this.#startMs) / this.#intervalMs) + 1;
    return Math.max(0, Math.min(due, this.#limit) - this.issued);
  }
}
