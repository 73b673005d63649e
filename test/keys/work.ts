/** Functions that finish when the test says so, and promises looked at without waiting. */
import { quiet } from './virtual-clock.ts';

/** A function to run under a key, settled by hand. */
export class Work<T = unknown> {
  runs = 0;
  readonly #settle: { resolve: (value: T) => void; reject: (reason: unknown) => void }[] = [];

  readonly run = (): Promise<T> => {
    this.runs += 1;
    return new Promise<T>((resolve, reject) => this.#settle.push({ resolve, reject }));
  };

  /** Finishes the oldest run, once there is one. */
  async finish(value: T): Promise<void> {
    await this.begun();
    this.#settle.shift()!.resolve(value);
    await quiet();
  }

  async fail(reason: unknown): Promise<void> {
    await this.begun();
    this.#settle.shift()!.reject(reason);
    await quiet();
  }

  /** Resolves when there is a run to settle. The test's own limit ends it. */
  async begun(): Promise<void> {
    while (this.#settle.length === 0) await quiet();
  }
}

/** What became of a promise so far: nothing rejects unheard. */
export class Outcome<T> {
  state: 'pending' | 'resolved' | 'rejected' = 'pending';
  value: T | undefined;
  error: (Error & Record<string, unknown>) | undefined;

  constructor(promise: Promise<T>) {
    promise.then(
      (value) => {
        this.state = 'resolved';
        this.value = value;
      },
      (error) => {
        this.state = 'rejected';
        this.error = error;
      },
    );
  }
}
