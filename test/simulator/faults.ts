/**
 * The faults of a world: each kind strikes at random times about so far apart, until they stop.
 */
import type { Call } from '../journal/faulty-disk.ts';
import type { Machine } from './machine.ts';
import type { Random } from './random.ts';
import type { SimulatedServer } from './simulated-server.ts';
import type { Fault } from './swarm.ts';
import type { Tally } from './tally.ts';

/** How long a partition, a pause, a full disk last at most. */
const PARTITION_MS = 300;
const PAUSE_MS = 100;
const FULL_MS = 200;
/** How far a clock jumps at most: as after a machine was asleep. */
const JUMP_MS = 20_000;
/** A worker dies within so many touches of shared words. */
const DEATH_POINTS = 60;

export class Faults {
  readonly #random: Random;
  #isOver = false;
  #diskIsFull = false;
  #syncFails = false;
  #writesShort = false;
  #crashesAtCall = 0;

  constructor(
    readonly machine: Machine,
    readonly server: SimulatedServer,
    readonly tally: Tally,
    readonly log: (line: string) => void,
    faults: ReadonlyMap<Fault, number>,
    random: Random,
  ) {
    this.#random = random.fork('faults');
    for (const [fault, meanMs] of faults) this.#arm(fault, meanMs, random.fork(fault));
  }

  #arm(fault: Fault, meanMs: number, random: Random): void {
    const { scheduler } = this.machine;
    const delayMs = -Math.log(1 - random.unit()) * meanMs;
    const strike = (): void => {
      if (this.#isOver) return;
      if (this.server.isUp) {
        this.log(fault);
        this.#strike(fault, random);
      }
      this.#arm(fault, meanMs, random);
    };
    scheduler.after(delayMs, strike, scheduler.world);
  }

  #strike(fault: Fault, random: Random): void {
    const { machine, server, tally } = this;
    const { scheduler, network } = machine;
    switch (fault) {
      case 'cut':
        tally.cuts += 1;
        return network.cutOne();
      case 'partition':
        tally.partitions += 1;
        network.partedUntilMs = scheduler.nowMs + random.unit() * PARTITION_MS;
        return;
      case 'pause':
        random.pick(machine.processThreads).pausedUntilMs =
          scheduler.nowMs + random.unit() * PAUSE_MS;
        return;
      case 'worker death':
        return this.#killWorker(random);
      case 'kill':
        return server.crash(false);
      case 'power loss':
        return server.crash(true);
      case 'clock jump':
        return this.#jump(random);
      case 'stop':
        return server.stop();
      default:
        this.#breakDisk(fault, random);
    }
  }

  #killWorker(random: Random): void {
    const { machine, tally } = this;
    const { workers } = machine;
    if (workers.size === 0) return;
    if (random.chance(0.5)) {
      machine.deathIn = random.below(DEATH_POINTS);
      return;
    }
    tally.workerDeaths += 1;
    random.pick([...workers]).die(new Error('the worker was killed'));
  }

  #jump(random: Random): void {
    const { scheduler } = this.machine;
    // A machine that slept: both clocks go on where the world's time is then.
    scheduler.jump(random.unit() ** 4 * JUMP_MS);
  }

  #breakDisk(fault: Fault, random: Random): void {
    const { machine, tally } = this;
    tally.diskFaults += 1;
    if (fault === 'disk full') {
      this.#diskIsFull = true;
      const { scheduler } = machine;
      const heal = (): void => {
        this.#diskIsFull = false;
      };
      scheduler.after(random.unit() * FULL_MS, heal, scheduler.world);
    }
    if (fault === 'failed sync') this.#syncFails = true;
    if (fault === 'short write') this.#writesShort = true;
    if (fault === 'disk crash') this.#crashesAtCall = machine.disk.calls + 1 + random.below(20);
  }

  /** Has the disk of a process do as the faults say. */
  attach(): void {
    this.machine.disk.plan = (call) => this.#plan(call);
  }

  #plan(call: Call): ReturnType<Machine['disk']['plan']> {
    if (this.#crashesAtCall > 0 && call.number >= this.#crashesAtCall) {
      this.#crashesAtCall = 0;
      return this.#random.chance(0.5) ? 'crash before' : 'crash after';
    }
    if (call.kind === 'sync' && this.#syncFails) {
      this.#syncFails = false;
      return { code: 'EIO' };
    }
    if (call.kind !== 'write' && call.kind !== 'open') return undefined;
    if (this.#diskIsFull) return { code: 'ENOSPC' };
    if (call.kind === 'write' && this.#writesShort) {
      this.#writesShort = false;
      return { bytes: 1 + this.#random.below(100) };
    }
    return undefined;
  }

  /** From now on nothing goes wrong any more. */
  stop(): void {
    this.#isOver = true;
    this.#diskIsFull = false;
    this.#syncFails = false;
    this.#writesShort = false;
    this.#crashesAtCall = 0;
    this.machine.deathIn = -1;
    this.machine.network.partedUntilMs = 0;
    for (const thread of this.machine.processThreads) thread.pausedUntilMs = 0;
  }
}
