/**
 * The engine for embedding: tables, workers and router behind a small asynchronous interface.
 *
 *     const engine = await Engine.start({ shards: 0, sessionsMax: 1000 });
 *     const { session } = await engine.register(id);
 *     await engine.request(id, session, 1, 'put', { cart: ['book'] });
 *
 * `view()` gives a synchronous one, for this thread; `share()` a ticket with which another worker
 * thread of the process attaches to the same tables.
 */
import { availableParallelism } from 'node:os';
import { MessageChannel } from 'node:worker_threads';
import type { ClientId } from './core/client-id.ts';
import { SessileError } from './core/errors.ts';
import type { EventLog } from './core/event-log.ts';
import { RUNNERS_MAX } from './core/limits.ts';
import { Callers } from './embedding/callers.ts';
import { EngineEvents } from './embedding/engine-events.ts';
import {
  type Recovery,
  type StartedMemory,
  startJournaled,
  startMemory,
} from './embedding/journaling.ts';
import { type CheckedOptions, checkOptions, type EngineOptions } from './embedding/options.ts';
import { reclaim } from './embedding/reclaim.ts';
import type { EngineTicket, Registered, RegisterOptions, Reply } from './embedding/types.ts';
import { EngineView } from './embedding/view.ts';
import { loadService } from './services/load.ts';
import { type CheckedService, checkService } from './services/service.ts';
import { STOP_TIMEOUT_MS } from './workers/limits.ts';
import {
  type ListQuery,
  Operator,
  type SessionDetails,
  type SessionPage,
} from './workers/operator.ts';
import { ShardPool, storageFailed } from './workers/pool.ts';
import { Router } from './workers/router.ts';
import type { ShardMemory } from './workers/shard-memory.ts';
import type { EngineStats } from './workers/stats.ts';
import type { EngineStatus } from './workers/status.ts';

/** One front end for now; rings and routers are made per front end. */
const FRONT_ENDS = 1;
const FRONT_END = 0;

export class Engine {
  readonly router: Router;
  readonly #callers: Callers;
  readonly #pool: ShardPool | undefined;
  readonly #runners: number[] = [];
  readonly #listeners: (() => void)[] = [];
  #onFailure: ((error: Error) => void) | undefined;
  #failure: Error | undefined;
  #stopped: Promise<void> | undefined;
  readonly memory: ShardMemory;
  /** Stops with the engine, so that nobody waits for one that answers no more. */
  readonly operator: Operator;
  /** What was brought back from the data directory; undefined without one. */
  readonly recovery: Recovery | undefined;
  readonly #unlock: () => void;
  readonly #events: EngineEvents;

  private constructor(
    started: StartedMemory,
    readonly checked: CheckedService,
    readonly options: CheckedOptions,
    events: EngineEvents,
  ) {
    const { memory } = started;
    this.#events = events;
    this.memory = memory;
    this.recovery = started.recovery;
    this.#unlock = started.unlock;
    const { shards } = memory.config;
    for (let runner = RUNNERS_MAX; runner > shards + 1; runner--) this.#runners.push(runner);
    if (shards > 0) {
      this.#pool = new ShardPool(memory, {
        failed: (error) => this.#fail(error),
        replaced: (shard, error) => events.replaced(shard, error),
        hookFailed: (text, count) => events.hookFailed(text, count),
      });
    }
    this.router = new Router(memory, checked, {
      frontEnd: FRONT_END,
      runner: shards + 1,
      run: options.run,
      cores: availableParallelism(),
      onStorageFailure: (error) => this.#fail(storageFailed(0, error)),
      onProgress: () => {
        for (const listener of this.#listeners) listener();
      },
    });
    this.#callers = new Callers(this.router, checked, memory.config);
    this.operator = new Operator(this.router, checked.capabilities);
    this.onProgress(() => this.#callers.progress());
  }

  /**
   * Reserves the memory, brings sessions back if there is a data directory, and starts the workers.
   * Throws `InvalidOptionError`, or `SessileError` with a code that begins with `storage_`.
   */
  static async start(options: EngineOptions = {}): Promise<Engine> {
    const checkedOptions = checkOptions(options);
    const { sharding, service } = checkedOptions;
    const loaded =
      service === undefined ? await loadService(sharding.serviceUrl) : checkService(service);
    const events = new EngineEvents(options.log);
    const checked = { ...loaded, hookFailed: (error: unknown) => events.hookFailed(error) };
    const { journal } = checkedOptions;
    const mayPromise = !checked.portable;
    const progress = options.onRecoveryProgress ?? (() => {});
    const started =
      journal === undefined
        ? startMemory(sharding, FRONT_ENDS, mayPromise)
        : startJournaled(sharding, journal, FRONT_ENDS, mayPromise, progress);
    if (started.recovery !== undefined) events.recovered(started.recovery);
    try {
      const engine = new Engine(started, checked, checkedOptions, events);
      events.watch(engine.memory);
      return engine;
    } catch (error) {
      started.unlock();
      throw error;
    }
  }

  /**
   * Registers a client: a new session, or the live one (`resumed`). Options apply to a new session
   * only. Rejects with `RefusedError`: `sessions_exhausted`, `server_busy`.
   */
  register(id: ClientId, options: RegisterOptions = {}): Promise<Registered> {
    return this.#callers.register(id, options);
  }

  /**
   * Executes request `request` of a session, exactly once: the same number again gives the stored
   * reply. Resolves with the reply whatever its status. Rejects with `SessionEvictedError` when
   * the session has ended, or `RefusedError` when nothing was executed.
   */
  request(
    id: ClientId,
    session: number,
    request: number,
    operation: string | number,
    body?: unknown,
  ): Promise<Reply> {
    return this.#callers.request(id, session, request, operation, body);
  }

  /** Runs an operation that is allowed unsequenced: no number, no stored reply. */
  call(id: ClientId, operation: string | number, body?: unknown): Promise<Reply> {
    return this.#callers.call(id, operation, body);
  }

  /**
   * Ends a session; session 0 is whichever is live. One that is gone already is no error; another
   * live session of the id is left alone, and the promise rejects with `SessionEvictedError`.
   */
  close(id: ClientId, session = 0): Promise<void> {
    return this.#callers.close(id, session);
  }

  /** Counts since the start, and what is live now. */
  stats(): EngineStats {
    return this.operator.stats();
  }

  /** All that is counted: by shard, operation and error code, with durations and memory. */
  status(): EngineStatus {
    return this.operator.status();
  }

  /**
   * One page of sessions; none is touched. A session that lives throughout is listed exactly once
   * over all pages, whatever comes and goes meanwhile. Rejects with `InvalidOptionError`.
   */
  list(query: ListQuery = {}): Promise<SessionPage> {
    return this.operator.list(query);
  }

  /** A session's entry with its rate limit and capabilities; null when there is no live one. */
  inspect(id: ClientId): Promise<SessionDetails | null> {
    return this.operator.inspect(id);
  }

  /**
   * Ends a session as an operator does: its client is told `removed`. False when there is none.
   * Rejects with `SessileError` `request_in_flight` while it executes, `storage_failed` while its
   * log has no room.
   */
  remove(id: ClientId): Promise<boolean> {
    return this.operator.remove(id);
  }

  /** Ends all sessions that have expired by now, which happens by itself within a second. */
  sweep(): Promise<number> {
    return this.operator.sweep();
  }

  /** Live sessions over all shards. */
  get sessions(): number {
    return this.router.ledger.live;
  }

  /**
   * A synchronous view for this thread. Needs a portable service, or it throws `SessileError` with
   * code `service_not_portable`.
   */
  view(): EngineView {
    const runner = this.#takeRunner();
    // Evictions by the view are pushed to TCP clients through the ring that the router reads.
    this.router.listen();
    return new EngineView(this.memory, this.checked, runner, {
      closed: () => this.#runners.push(runner),
      relieve: () => this.#relieve(),
      writeLog: () => this.router.writeLog(),
    });
  }

  /**
   * A ticket for one worker thread: post it there, with `ticket.port` in the transfer list, and
   * call `attach(ticket)`. When that thread ends, whatever it was doing is undone or finished.
   */
  share(): EngineTicket {
    const runner = this.#takeRunner();
    const { port1, port2 } = new MessageChannel();
    this.router.listen();
    port1.on('close', () => {
      void reclaim(this.router, runner).then(() => this.#runners.push(runner));
    });
    port1.unref();
    return { memory: this.memory, runner, port: port2 };
  }

  /** Called when a shard's worker dies too often: the engine can no longer serve. */
  onFailure(listener: (error: Error) => void): void {
    this.#onFailure = listener;
    if (this.#failure !== undefined) listener(this.#failure);
  }

  /** The engine's own: called after answers were delivered outside a batch. */
  onProgress(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Where the engine's events go, bursts as one line. */
  get log(): EventLog {
    return this.#events.log;
  }

  /** The worker threads, for tests that end one. */
  get threads(): ShardPool['threads'] {
    return this.#pool?.threads ?? [];
  }

  /** Lets what is under way finish, and ends the workers. The memory is freed with the engine. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const { router } = this;
    const deadline = performance.now() + STOP_TIMEOUT_MS;
    // What an engine that has failed left unfinished stays so.
    while (!router.isIdle() && !router.stopped && performance.now() < deadline) await nextTurn();
    // Workers end when they find nothing to write: what this turn logged must be there to find.
    this.router.writeLog();
    await this.#pool?.stop();
    this.router.poll();
    this.#callers.stop();
    this.operator.stop();
    await this.router.stop();
    this.#unlock();
    this.#events.stop();
  }

  /** A view of this thread waits: its answers for front ends may have nobody else to read them. */
  #relieve(): void {
    this.router.writeLog();
    this.router.poll();
  }

  #takeRunner(): number {
    const runner = this.#runners.pop();
    if (runner !== undefined) return runner;
    throw new SessileError('too_many_threads', `at most ${RUNNERS_MAX} threads share an engine`);
  }

  #fail(error: Error): void {
    if (this.#failure === undefined) this.#events.failed(error);
    this.#failure = error;
    this.#callers.stop();
    this.operator.stop();
    void this.router.stop();
    this.#onFailure?.(error);
  }
}

function nextTurn(): Promise<void> {
  return new Promise(setImmediate);
}
