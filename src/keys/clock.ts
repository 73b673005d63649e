/** Time as keys use it, an interface so that tests can move it. */
import { setTimeout as timeout } from 'node:timers/promises';

export interface KeyClock {
  /** Milliseconds on a clock that never goes back. */
  nowMs(): number;
  /** Resolves after so many milliseconds; rejects with the signal's reason. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>;
  /** Does something every so many milliseconds, until the returned function is called. */
  every(ms: number, action: () => void): () => void;
}

export const systemClock: KeyClock = {
  nowMs: () => performance.now(),

  async sleep(ms, signal) {
    try {
      await timeout(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      // Node rejects with an error of its own, which has the reason inside.
      signal?.throwIfAborted();
      throw error;
    }
  },

  every(ms, action) {
    const timer = setInterval(action, ms);
    // What runs meanwhile keeps the process alive if it needs to.
    timer.unref();
    return () => clearInterval(timer);
  },
};
