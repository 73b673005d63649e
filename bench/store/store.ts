/**
 * What a session store does with data, as one cycle: all sessions are created, used, and ended
 * again. Each work is done once per session, so its cost is time over sessions.
 */

import { setTimeout as sleep } from 'node:timers/promises';

/** Some stores read the clock once a millisecond, by a timer. */
const CLOCK_MS = 5;

export const WORKS = ['create', 'get', 'put', 'merge', 'touch', 'list', 'remove', 'sweep'] as const;
export type StoreWork = (typeof WORKS)[number];

/** Sessions in the store; half of them are removed, and a sweep ends the other half. */
export const SESSIONS = 10_000;

export interface Store {
  readonly name: string;
  /** Does one work over all sessions in a random order. */
  create(): void;
  get(): void;
  put(): void;
  merge(): void;
  touch(): void;
  /** Lists all sessions once. */
  list(): void;
  /** Removes the first half. */
  remove(): void;
  /** Moves the store's clock on, so that the rest has expired. */
  expire(): void;
  /** Ends the rest. */
  sweep(): void;
}

/** Nanoseconds per session of each work that a store does. */
export type Cycle = Partial<Record<StoreWork, number>>;

/** A store of any process. */
export interface Contender {
  readonly name: string;
  /** Cycles before the first that counts, in which compilers and caches settle. */
  readonly warmUpCycles: number;
  cycle(): Promise<Cycle>;
}

/** What each work is done to, for a cost per session. */
export const COUNTS: Readonly<Record<StoreWork, number>> = {
  create: SESSIONS,
  get: SESSIONS,
  put: SESSIONS,
  merge: SESSIONS,
  touch: SESSIONS,
  list: SESSIONS,
  remove: SESSIONS / 2,
  sweep: SESSIONS / 2,
};

export async function cycle(store: Store): Promise<Cycle> {
  const figures: Cycle = {};
  for (const work of WORKS) {
    if (work === 'sweep') {
      store.expire();
      await sleep(CLOCK_MS);
    }
    const started = performance.now();
    store[work]();
    figures[work] = ((performance.now() - started) * 1e6) / COUNTS[work];
  }
  return figures;
}
