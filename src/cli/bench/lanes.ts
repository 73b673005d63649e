/**
 * The sessions of one connection of the load, as columns of numbers: each has at most one request
 * in flight, and those without one wait in a ring for their turn.
 */

/** What a session is doing. */
export const enum Busy {
  /** It waits in the ring. */
  IDLE = 0,
  /** Its request is sent and not answered. */
  OPEN = 1,
  /** It registers, and a request follows. */
  REGISTERING = 2,
  /** It registers before the load begins. */
  PREPARING = 3,
  /** It was refused and pauses. */
  RESTING = 4,
}

export class Lanes {
  readonly sessionHigh: Uint32Array;
  readonly sessionLow: Uint32Array;
  /** The number of the last request that was sent, or committed. */
  readonly request: Uint32Array;
  readonly busy: Uint8Array;
  /** 1 if it is registered as far as we know. */
  readonly live: Uint8Array;
  /** From when the latency of its request counts; below zero until it is sent. */
  readonly sinceMs: Float64Array;
  /** Sessions in the ring. */
  idle = 0;
  readonly #ring: Uint32Array;
  #first = 0;

  constructor(readonly count: number) {
    this.sessionHigh = new Uint32Array(count);
    this.sessionLow = new Uint32Array(count);
    this.request = new Uint32Array(count);
    this.busy = new Uint8Array(count);
    this.live = new Uint8Array(count);
    this.sinceMs = new Float64Array(count);
    this.#ring = new Uint32Array(count);
  }

  /** Puts a session at the end of the ring. It must not be in it. */
  push(lane: number): void {
    const end = this.#first + this.idle;
    this.#ring[end < this.count ? end : end - this.count] = lane;
    this.idle += 1;
    this.busy[lane] = Busy.IDLE;
  }

  /** Takes the session that has waited longest. There must be one. */
  pop(): number {
    const lane = this.#ring[this.#first];
    this.#first = this.#first + 1 === this.count ? 0 : this.#first + 1;
    this.idle -= 1;
    return lane;
  }

  /** Whether a number is that of a session's registration. */
  isSession(lane: number, session: number): boolean {
    const { sessionHigh, sessionLow } = this;
    return sessionHigh[lane] * 2 ** 32 + sessionLow[lane] === session;
  }
}
