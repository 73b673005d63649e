/**
 * The server of a simulated world, made of the real engine and front end: started, stopped,
 * crashed and started again over what its disk still holds.
 */
import type { SessionTable } from '../../src/core/session-table.ts';
import { Engine } from '../../src/engine.ts';
import { nodeDisk } from '../../src/journal/disk.ts';
import { checkService } from '../../src/services/service.ts';
import { FRAME_TIMEOUT_MS_DEFAULT, HELLO_TIMEOUT_MS_DEFAULT } from '../../src/transport/limits.ts';
import { DEFAULT_PORT } from '../../src/transport/protocol.ts';
import { Server } from '../../src/transport/server.ts';
import { ShardLoop } from '../../src/workers/shard-loop.ts';
import { Crash } from '../journal/faulty-disk.ts';
import { FOLDER } from './current.ts';
import type { Machine } from './machine.ts';
import type { Oracle } from './oracle.ts';
import portable from './portable-service.ts';
import type { Random } from './random.ts';
import { startRingsNearTheirEnd } from './ring-ends.ts';
import { Rows } from './rows.ts';
import { simulatedDisk } from './simulated-disk.ts';
import slow from './slow-service.ts';
import type { ServerOptions } from './swarm.ts';
import { checkPushed } from './tap.ts';

/** How long it takes until a process that has gone is started again, at most. */
const RESTART_MS = 50;

const PORTABLE = new URL('./portable-service.ts', import.meta.url);
const SLOW = new URL('./slow-service.ts', import.meta.url);

export class SimulatedServer {
  engine: Engine | undefined;
  tables: readonly SessionTable[] = [];
  readonly rows: Rows;
  readonly #random: Random;
  #front: Server | undefined;
  #starts = 0;
  #isStopping = false;
  #wasStopped = false;
  #startIsDue = false;
  /** Workers that had died when this process started. */
  #deathsBefore = 0;
  /** Called when a start is due: it must be awaited with nothing else going on. */
  onStartDue: () => void = () => {};

  constructor(
    readonly machine: Machine,
    readonly oracle: Oracle,
    readonly options: ServerOptions,
    random: Random,
  ) {
    this.#random = random.fork('server');
    this.rows = new Rows(oracle);
    const checked = checkService(options.isPortable ? portable : slow);
    const makeLoop = (task: { memory: never; shard: number; runner: number }): ShardLoop =>
      new ShardLoop(task.memory, task.shard, task.runner, checked);
    machine.parts = { makeLoop: makeLoop as never, checked };
  }

  get isUp(): boolean {
    return this.engine !== undefined && !this.#isStopping;
  }

  get isJournaled(): boolean {
    return this.options.durability !== 'memory';
  }

  /** Starts the process. Nothing else of the world goes on meanwhile. */
  start(): Promise<void> {
    this.#startIsDue = false;
    const { machine } = this;
    return machine.scheduler.on(machine.thread('front end'), () => this.#begin());
  }

  async #begin(): Promise<void> {
    const { machine, oracle } = this;
    try {
      const engine = await Engine.start(this.#engineOptions());
      this.#recovered(engine);
      const config = {
        host: '127.0.0.1',
        port: DEFAULT_PORT,
        connectionsMax: 100,
        frameBytesMax: 65_536,
        version: 'simulated',
        connectionsPerAddressMax: 100,
        helloTimeoutMs: HELLO_TIMEOUT_MS_DEFAULT,
        frameTimeoutMs: FRAME_TIMEOUT_MS_DEFAULT,
        idleTimeoutMs: 0,
        onNotice: () => {},
      };
      startRingsNearTheirEnd(engine.memory, this.#random);
      const { router, memory, checked, operator } = engine;
      const front = new Server(router, config, memory.config, checked, operator);
      engine.onProgress(() => front.progress());
      engine.onFailure(() => this.crash(false));
      this.#front = front;
      void front.listen();
    } catch (error) {
      const isExpected = error instanceof Crash || isDiskError(error);
      if (!isExpected) throw error;
      oracle.tally.diskFaults += 1;
      this.crash(machine.disk.hasCrashed);
    }
  }

  #recovered(engine: Engine): void {
    this.engine = engine;
    this.#deathsBefore = this.oracle.options.deaths();
    this.tables = engine.router.ports.map(({ table }) => table);
    if (this.#starts === 1) return;
    if (!this.isJournaled) return this.oracle.forgetAll();
    this.oracle.tally.recoveries += 1;
    const isExact = this.options.durability === 'commit';
    const evicted = engine.recovery?.evicted ?? 0;
    if (isExact && this.options.onFull === 'reject' && evicted > 0) {
      this.oracle.fail('a start evicts, although its table rejects');
    }
    const { rows, tables, oracle } = this;
    oracle.tally.recovered += rows.reconcile(tables, isExact, this.#wasStopped, evicted);
    this.#wasStopped = false;
  }

  #engineOptions() {
    const { options } = this;
    const { durability, intervalMs } = options;
    const shards = options.shards[this.#starts % options.shards.length];
    this.#starts += 1;
    const storage = {
      dataDir: FOLDER,
      segmentBytesMax: options.segmentBytesMax,
      durability: durability === 'interval' ? { intervalMs } : durability,
    };
    return {
      shards,
      sessionsMax: options.sessionsMax,
      onFull: options.onFull,
      ttlMs: options.ttlMs,
      executeTimeoutMs: options.executeTimeoutMs,
      replyBytesMax: options.replyBytesMax,
      dataBytesMax: options.dataBytesMax,
      bodyBytesMax: 2_048,
      run: options.run,
      service: options.isPortable ? PORTABLE : SLOW,
      ...(durability === 'memory' ? {} : (storage as object)),
    };
  }

  /** The process ends at once. */
  crash(losesPower: boolean): void {
    const { machine, oracle } = this;
    oracle.tally.crashes += 1;
    if (losesPower) oracle.tally.powerLosses += 1;
    this.#gone(losesPower);
    machine.scheduler.after(
      machine.diskMs() + RESTART_MS,
      () => this.#due(),
      machine.scheduler.world,
    );
  }

  #gone(losesPower: boolean): void {
    this.engine = undefined;
    this.oracle.untold = [];
    this.#front = undefined;
    this.tables = [];
    this.#isStopping = false;
    this.machine.stopProcess(losesPower);
  }

  #due(): void {
    if (this.engine !== undefined || this.#startIsDue) return;
    this.#startIsDue = true;
    this.onStartDue();
  }

  /** Stops it as a signal would. */
  stop(): void {
    const { engine, oracle } = this;
    const front = this.#front;
    if (engine === undefined || front === undefined || this.#isStopping) return;
    this.#isStopping = true;
    const { scheduler } = this.machine;
    scheduler.turn(
      () => {
        void (async () => {
          await front.stop();
          await engine.stop();
          if (this.engine !== engine) return;
          this.oracle.tally.stops += 1;
          // What finds no room on the disk until the end is lost with the process.
          const isFull = this.tables.some(({ log }) => log?.isWritable === false);
          // So is what a worker has not written that died as the stop began: nobody replaces it.
          const isLeft = this.tables.some(({ log }) => log?.buffer.hasEntries() === true);
          const hasDied = oracle.options.deaths() > this.#deathsBefore;
          this.#wasStopped = !isFull && !(isLeft && hasDied);
          this.#gone(false);
          scheduler.after(RESTART_MS, () => this.#due(), scheduler.world);
        })();
      },
      front === undefined ? undefined : this.machine.processThreads[0],
    );
  }

  /** Unsent bytes of the slowest connection. */
  get frontEnd(): Server | undefined {
    return this.#front;
  }

  /** What must hold between two steps. */
  check(): void {
    const { engine, oracle } = this;
    if (engine === undefined) return;
    this.rows.check(this.tables);
    if (oracle.untold.length === 0 || this.#isStopping) return;
    const isPaused = this.machine.processThreads.some(
      ({ pausedUntilMs }) => pausedUntilMs > oracle.scheduler.nowMs,
    );
    const isFull = this.tables.some(({ log }) => log?.isWritable === false);
    if (!isPaused && !isFull && engine.router.isIdle()) checkPushed(oracle);
  }
}

Object.assign(nodeDisk, simulatedDisk);

/** Errors with which a start refuses when the disk is full or fails. */
function isDiskError(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  return code === 'ENOSPC' || code === 'EIO' || code === 'storage_failed';
}
