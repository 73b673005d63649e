/**
 * The threads that put load on one store, started once and used window after window.
 */
import { Worker } from 'node:worker_threads';
import type { Job, Outcome, ThreadData, Way } from './job.ts';

const LOADER = new URL('../lib/thread.mjs', import.meta.url);
const CLIENT = new URL('./client-thread.ts', import.meta.url).href;
const STORE = new URL('./store-thread.ts', import.meta.url).href;

/** A thread that runs a TypeScript module. */
function startThread(data: object, transfer: readonly object[] = []): Worker {
  const transferList = transfer as NonNullable<
    ConstructorParameters<typeof Worker>[1]
  >['transferList'];
  return new Worker(LOADER, { workerData: data, transferList: transferList ?? [] });
}

export class Fleet {
  readonly #workers: readonly Worker[];

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers;
  }

  static async start(ways: readonly Way[]): Promise<Fleet> {
    const workers = ways.map((way) => {
      const data: ThreadData = { module: CLIENT, way };
      return startThread(data, [way.kind === 'view' ? way.ticket.port : way.port]);
    });
    await Promise.all(workers.map((worker) => next(worker)));
    return new Fleet(workers);
  }

  /** Runs a job on the first `threads` of them at once. */
  async run(threads: number, job: Omit<Job, 'thread' | 'threads'>): Promise<Outcome[]> {
    const used = this.#workers.slice(0, threads);
    return Promise.all(
      used.map((worker, thread) => {
        const outcome = next<Outcome>(worker);
        worker.postMessage({ ...job, thread, threads });
        return outcome;
      }),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** A thread with a `Map`, and the ways that so many clients have to it. */
export function startStore(clients: number, isWaitedFor: boolean): { ways: Way[]; store: Worker } {
  const store = startThread({ module: STORE });
  const ways = Array.from({ length: clients }, (): Way => {
    const { port1, port2 } = new MessageChannel();
    const bell = isWaitedFor ? new SharedArrayBuffer(4) : undefined;
    store.postMessage({ port: port1, bell }, [port1]);
    return bell === undefined
      ? { kind: 'port', port: port2 }
      : { kind: 'waiting', port: port2, bell };
  });
  return { ways, store };
}

function next<T>(worker: Worker): Promise<T> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => reject(error);
    worker.once('error', failed);
    worker.once('message', (message: T) => {
      worker.off('error', failed);
      resolve(message);
    });
  });
}
