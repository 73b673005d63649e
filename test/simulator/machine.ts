/**
 * The machine that a simulated server runs on: its threads, disk, network and locks, and the points
 * at which one of its threads may stop for good.
 */
import type { CheckedService } from '../../src/services/service.ts';
import type { ShardLoop } from '../../src/workers/shard-loop.ts';
import type { ShardTask } from '../../src/workers/shard-task.ts';
import { Crash, FaultyDisk } from '../journal/faulty-disk.ts';
import { Network, type NetworkOptions } from './network.ts';
import type { Random } from './random.ts';
import { Scheduler, Thread } from './scheduler.ts';
import { Death, type SimulatedWorker } from './simulated-pool.ts';
import { Sleepers } from './sleepers.ts';

export interface MachineOptions extends NetworkOptions {
  /** Sleeps end by a wake-up alone, within so many ms. */
  readonly sleepMs: number;
  /** How long a sync takes at most. */
  readonly syncMs: number;
  /** How often a thread is interrupted by another while it touches shared words. */
  readonly preemption: number;
}

/** What a machine needs of the real code, which is loaded after Node's modules were replaced. */
interface LoopParts {
  readonly makeLoop: (task: ShardTask, checked: CheckedService) => ShardLoop;
  readonly checked: CheckedService;
}

export class Machine {
  readonly scheduler: Scheduler;
  readonly sleepers: Sleepers;
  readonly network: Network;
  /** For what the code itself takes at random. */
  readonly random: Random;
  readonly workers = new Set<SimulatedWorker>();
  readonly #faults: Random;
  disk = new FaultyDisk();
  isLocked = false;
  /** What threads have asked of the disk and wait for. */
  readonly underWay = new Set<{ readonly thread: Thread; readonly finish: () => void }>();
  /** The threads of the server's process; others are those of clients. */
  processThreads: Thread[] = [];
  /** Steps through shared memory until the thread at work dies; below 0: it does not. */
  deathIn = -1;
  deaths = 0;
  interruptions = 0;
  parts: LoopParts | undefined;
  onRejected: (error: unknown) => void = () => {};

  constructor(
    random: Random,
    readonly options: MachineOptions,
  ) {
    this.random = random.fork('code');
    this.#faults = random.fork('machine');
    this.scheduler = new Scheduler(random.fork('scheduler'));
    this.scheduler.onUncaught = (error, thread) => this.#uncaught(error, thread);
    this.sleepers = new Sleepers(this.scheduler, random.fork('sleepers'), options.sleepMs);
    this.network = new Network(this.scheduler, random.fork('network'), options);
  }

  /** A new thread of the server's process. */
  thread(name: string): Thread {
    const thread = new Thread(name);
    this.processThreads.push(thread);
    return thread;
  }

  lock(): { status: number } {
    if (this.isLocked) return { status: 1 };
    this.isLocked = true;
    return { status: 0 };
  }

  unlock(): void {
    this.isLocked = false;
  }

  /** As a worker's thread does: the loop, and what a failure of it leaves. */
  async runShard(task: ShardTask): Promise<void> {
    const { makeLoop, checked } = this.parts!;
    const loop = makeLoop(task, checked);
    try {
      if (task.takesOver) await loop.takeOver();
      await loop.run();
    } catch (error) {
      // A thread that is gone tidies up nothing.
      if (!(error instanceof Death)) await loop.abandon();
      throw error;
    }
  }

  /** Called wherever shared words are touched: another thread may come between, or this one end. */
  touched(): void {
    if (this.scheduler.current === this.scheduler.world) return;
    this.point();
    const { preemption } = this.options;
    if (preemption === 0 || !this.#faults.chance(preemption)) return;
    if (this.scheduler.interrupt(this.processThreads)) this.interruptions += 1;
  }

  /** Called also wherever a thread uses the disk: a worker may end here. */
  point(): void {
    if (this.deathIn < 0 || !this.#isWorker()) return;
    this.deathIn -= 1;
    if (this.deathIn >= 0) return;
    this.deaths += 1;
    throw new Death('the thread stops here');
  }

  /** What a callback throws is the end of its thread; a disk that has crashed, of all. */
  #uncaught(error: unknown, thread: Thread): boolean {
    if (error instanceof Crash) return true;
    if (!(error instanceof Death)) return false;
    for (const worker of this.workers) if (worker.thread === thread) worker.die(error);
    return true;
  }

  /** A promise that nobody waits for was rejected: as bad as what a callback throws. */
  rejected(error: unknown): void {
    if (!this.#uncaught(error, this.scheduler.current)) this.onRejected(error);
  }

  #isWorker(): boolean {
    for (const { thread } of this.workers) if (thread === this.scheduler.current) return true;
    return false;
  }

  /** How long something of the disk takes. */
  diskMs(): number {
    return this.#faults.unit() ** 2 * this.options.syncMs;
  }

  /** A thread is gone: what it has asked of the disk comes to its end before that is known. */
  finishDisk(thread: Thread): void {
    for (const one of this.underWay) if (one.thread === thread) one.finish();
  }

  /** The process is gone at once, with or without what the system had not written yet. */
  stopProcess(losesPower: boolean): void {
    for (const thread of this.processThreads) this.scheduler.kill(thread);
    this.processThreads = [];
    this.workers.clear();
    // Some of it may have reached the disk, the rest has not.
    for (const one of this.underWay) if (this.#faults.chance(0.5)) one.finish();
    this.underWay.clear();
    this.network.dropServer();
    this.isLocked = false;
    this.deathIn = -1;
    const below = (limit: number): number => this.#faults.below(limit);
    this.disk = losesPower ? this.disk.crash(below) : this.disk.restarted();
  }
}
