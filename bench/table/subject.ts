/**
 * What is compared: a store of sessions that does a batch of each kind of work.
 */
import { drawOrder, type Keys, makeKeys } from './keys.ts';

/** Operations that one call of a subject does, so that the harness's own call costs nothing. */
export const BATCH = 1_000;

/** Bytes of a request's body and of its stored reply. */
export const BODY_BYTES = 64;

/** Idle time after which a session ends: never reached here, but kept up by every touch. */
export const TTL_MS = 3_600_000;

/** Draws before the order repeats: long enough to leave the caches of any machine. */
const DRAWS = BATCH * 4_000;

export interface Subject {
  readonly name: string;
  /** Finds a session, renews its TTL and makes it the newest. */
  touch(): void;
  /** Takes a request with its body and stores a reply of the same length. */
  request(): void;
  /** Adds a session while all are in use, so the oldest goes. */
  churn(): void;
}

export type Work = 'touch' | 'request' | 'churn';

/** The keys of a run: the first `sessions` of them live, the others for churn. */
export class Workload {
  readonly keys: Keys;
  readonly order: Int32Array;

  constructor(readonly sessions: number) {
    this.keys = makeKeys(sessions * 2);
    this.order = drawOrder(DRAWS, sessions);
  }
}

/** Where a subject is in the order of a workload, always at the start of a batch. */
export class Cursor {
  #at: number;

  constructor(
    readonly length: number,
    start = 0,
  ) {
    this.#at = start;
  }

  next(): number {
    const at = this.#at;
    this.#at = at + BATCH < this.length ? at + BATCH : 0;
    return at;
  }
}
