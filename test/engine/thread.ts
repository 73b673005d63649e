/** A thread that is attached to an engine, as the tests that drive it see it. */
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import type { Engine } from '../../dist/engine.js';

export class AttachedThread {
  readonly ended: Promise<number>;

  private constructor(
    readonly worker: Worker,
    readonly runner: number,
  ) {
    this.ended = new Promise((resolve) => worker.once('exit', resolve));
  }

  /** Starts a thread; resolves once it has attached, or rejects with why it could not. */
  static async start(engine: Engine): Promise<AttachedThread> {
    const ticket = engine.share();
    const worker = new Worker(new URL('./threads/client.mjs', import.meta.url), {
      workerData: { ticket },
      transferList: [ticket.port],
    });
    const thread = new AttachedThread(worker, ticket.runner);
    onTestFinished(async () => {
      await worker.terminate();
    });
    await thread.#next();
    return thread;
  }

  /** Has it do a task, and resolves with the result. */
  run<T = unknown>(task: string, options: object = {}): Promise<T> {
    const result = this.#next();
    this.worker.postMessage({ task, ...options });
    return result as Promise<T>;
  }

  /** Ends it wherever it is. */
  async end(): Promise<void> {
    await this.worker.terminate();
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.worker.once('message', ({ value, error }: { value: unknown; error?: string }) => {
        if (error === undefined) resolve(value);
        else reject(new Error(error));
      });
      this.worker.once('error', reject);
    });
  }
}
