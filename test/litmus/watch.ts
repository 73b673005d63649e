/**
 * Starts the threads of a litmus round and watches them. A round ends well when every thread has
 * ended by itself. A thread that finds something wrong throws; one that waits for something that
 * never comes shows by progress that has stopped, on all threads, for so long that no scheduler
 * explains it.
 */
import { Worker } from 'node:worker_threads';

const LOOK_MS = 100;

export interface Setup {
  /** The folder of the built code under test, as a file address that ends with a slash. */
  readonly dist: string;
  /** How long nothing may happen. */
  readonly stuckMs: number;
}

export type Counts = Record<string, number>;

export class Round {
  readonly #setup: Setup;
  readonly #names: readonly string[];
  readonly #memories: Int32Array[] = [];
  readonly #threads = new Set<Worker>();
  #isOver = false;
  #fail!: (error: Error) => void;
  readonly #failed: Promise<never>;

  /** @param names what the threads count; a change of any of them is progress */
  constructor(setup: Setup, names: readonly string[]) {
    this.#setup = setup;
    this.#names = names;
    this.#failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    // Whoever waits for the round hears of it; before that nobody does.
    this.#failed.catch(() => {});
  }

  /** Starts a thread; resolves when it has ended by itself. */
  start(name: string, data: object): { readonly worker: Worker; readonly ended: Promise<void> } {
    // Of a round that has failed, something may want to go on still.
    if (this.#isOver) throw new Error('the round is over');
    const counts = new SharedArrayBuffer(this.#names.length * 4);
    this.#memories.push(new Int32Array(counts));
    const workerData = { ...data, counts, names: this.#names, dist: this.#setup.dist };
    const worker = new Worker(new URL(`./threads/${name}.mjs`, import.meta.url), { workerData });
    this.#threads.add(worker);
    worker.once('error', (error) => this.#fail(error as Error));
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        this.#threads.delete(worker);
        resolve();
      });
    });
    return { worker, ended };
  }

  get counts(): Counts {
    const counts: Counts = {};
    for (const [index, name] of this.#names.entries()) {
      counts[name] = 0;
      for (const memory of this.#memories) counts[name] += Atomics.load(memory, index);
    }
    return counts;
  }

  /** Waits for work to be done, or for what shows that it never will be. */
  async until<T>(work: Promise<T>): Promise<T> {
    let seen = '';
    let since = performance.now();
    const timer = setInterval(() => {
      const counts = JSON.stringify(this.counts);
      if (counts !== seen) since = performance.now();
      seen = counts;
      if (performance.now() - since < this.#setup.stuckMs) return;
      this.#fail(new Error(`stuck: nothing has happened for ${this.#setup.stuckMs} ms at ${seen}`));
    }, LOOK_MS);
    try {
      return await Promise.race([work, this.#failed]);
    } finally {
      clearInterval(timer);
    }
  }

  /** Ends what still runs. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#threads].map((worker) => worker.terminate()));
  }
}
