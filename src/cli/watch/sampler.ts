/**
 * Looks at a server's status again and again, on a fixed schedule, so that a slow answer does not
 * put the next look off. Hands over each look together with the one before it.
 */
import type { Connection } from '../../transport/client/connection.ts';
import type { EngineStatus } from '../../workers/status.ts';
import { isSameProcess } from './rates.ts';

export interface Sample {
  readonly before: EngineStatus;
  readonly after: EngineStatus;
}

export class Sampler {
  readonly #connection: Connection;
  readonly #intervalMs: number;
  readonly #stop = new AbortController();
  #before: EngineStatus | undefined;

  constructor(connection: Connection, intervalMs: number) {
    this.#connection = connection;
    this.#intervalMs = intervalMs;
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Ends `samples` at once. */
  stop(): void {
    this.#stop.abort();
  }

  /**
   * Looks until it is stopped. A look that fails throws, and another call of `samples` goes on
   * with the next; after a restart of the server the first look has nothing to be compared with.
   */
  async *samples(): AsyncGenerator<Sample, void, undefined> {
    const { signal } = this.#stop;
    try {
      this.#before ??= await this.#connection.status({ signal });
      for (let due = performance.now() + this.#intervalMs; ; due += this.#intervalMs) {
        await pause(due - performance.now(), signal);
        const after = await this.#connection.status({ signal });
        const before = this.#before;
        this.#before = after;
        if (isSameProcess(before, after)) yield { before, after };
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** Waits; rejects as soon as the signal is given. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(
      () => {
        signal.removeEventListener('abort', stop);
        resolve();
      },
      Math.max(0, ms),
    );
    signal.addEventListener('abort', stop, { once: true });
  });
}
