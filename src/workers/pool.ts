/**
 * The worker threads of an engine: one piscina pool with a thread per shard and one long task in
 * each. A worker that dies is replaced, and the new one carries on over the same memory; one that
 * dies again and again is not, and the engine has failed.
 */
import { Piscina } from 'piscina';
import { SessileError } from '../core/errors.ts';
import { LogState } from '../core/log-buffer.ts';
import { Doorbell } from './doorbell.ts';
import { isHookFailure } from './hook-failures.ts';
import { RESTART_WINDOW_MS, RESTARTS_MAX, STOP_TIMEOUT_MS } from './limits.ts';
import { logBufferOf, type ShardMemory } from './shard-memory.ts';
import type { ShardTask } from './shard-task.ts';

/** The runner number of a shard's worker. Numbers start at 1. */
function workerRunner(shard: number): number {
  return shard + 1;
}

/** Who hears what happens to the workers. */
export interface PoolListener {
  /** A shard is given up, for this reason. */
  failed(error: Error): void;
  /** A shard's worker died of this; the next one takes over. */
  replaced(shard: number, error: unknown): void;
  /** Hooks of the service threw, so many since it was last told. */
  hookFailed(text: string, count: number): void;
}

export class ShardPool {
  readonly #pool: Piscina<ShardTask, void>;
  readonly #memory: ShardMemory;
  readonly #tasks: Promise<void>[] = [];
  readonly #restarts: number[] = [];
  readonly #watched = new WeakSet<object>();
  readonly #listener: PoolListener;
  #stopping = false;

  constructor(memory: ShardMemory, listener: PoolListener) {
    const { shards } = memory.config;
    this.#memory = memory;
    this.#listener = listener;
    this.#pool = new Piscina<ShardTask, void>({
      filename: new URL('./shard-task.js', import.meta.url).href,
      minThreads: shards,
      maxThreads: shards,
      // Each thread holds one task for the engine's whole life, so it never waits for another.
      atomics: 'disabled',
    });
    this.#pool.on('error', (error: unknown) => this.#failed(error));
    this.#pool.on('message', (message: unknown) => this.#told(message));
    this.#watch();
    for (let shard = 0; shard < shards; shard++) this.#tasks.push(this.#supervise(shard));
  }

  /** The live worker threads, for tests that end one. */
  get threads(): Piscina['threads'] {
    return this.#pool.threads;
  }

  /** Lets every worker finish what lies in its rings, then ends the threads. */
  async stop(): Promise<void> {
    this.#stopping = true;
    Atomics.store(new Int32Array(this.#memory.stopping), 0, 1);
    for (const doorbell of this.#memory.doorbells) new Doorbell(doorbell).wake();
    let late: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      late = setTimeout(resolve, STOP_TIMEOUT_MS);
    });
    await Promise.race([Promise.all(this.#tasks), timeout]);
    clearTimeout(late);
    await this.#pool.destroy();
  }

  /**
   * Watches for threads that end and are not replaced: piscina gives up on one that ends before it
   * took its task. That is reported, or the shard would hang.
   */
  #watch(): void {
    for (const thread of this.#pool.threads) {
      if (this.#watched.has(thread)) continue;
      this.#watched.add(thread);
      thread.once('exit', () => setImmediate(() => this.#afterExit()));
    }
  }

  #afterExit(): void {
    this.#watch();
    if (this.#pool.threads.length >= this.#memory.config.shards) return;
    this.#failed(new Error('its thread ended before it began'));
  }

  #failed(error: unknown): void {
    if (this.#stopping) return;
    const text = `a worker did not start: ${whyOf(error)}`;
    this.#listener.failed(new SessileError('shard_failed', text));
  }

  async #supervise(shard: number): Promise<void> {
    for (let takesOver = false; ; takesOver = true) {
      try {
        const runner = workerRunner(shard);
        await this.#pool.run({ memory: this.#memory, shard, runner, takesOver });
        return;
      } catch (error) {
        if (this.#stopping) return;
        if (logBufferOf(this.#memory, shard)?.state === LogState.FAILED) {
          this.#listener.failed(storageFailed(shard, error));
          return;
        }
        if (!this.#mayRestart()) {
          this.#listener.failed(gaveUp(shard, error));
          return;
        }
        this.#listener.replaced(shard, error);
      }
    }
  }

  /** What a thread posts beside the answers of its task. */
  #told(message: unknown): void {
    if (!isHookFailure(message)) return;
    this.#listener.hookFailed(message.sessileHookFailed, message.count);
  }

  #mayRestart(): boolean {
    const now = performance.now();
    this.#restarts.push(now);
    while (now - this.#restarts[0] > RESTART_WINDOW_MS) this.#restarts.shift();
    return this.#restarts.length <= RESTARTS_MAX;
  }
}

/** The log of a shard can never be written again. */
export function storageFailed(shard: number, error: unknown): Error {
  const text = `the log of shard ${shard} cannot be written: ${whyOf(error)}`;
  return new SessileError('storage_failed', text, { shard });
}

function gaveUp(shard: number, error: unknown): Error {
  const text = `the worker of shard ${shard} died: ${whyOf(error)}`;
  return new SessileError('shard_failed', text, { shard });
}

function whyOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
