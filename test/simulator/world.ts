/**
 * A whole world from one seed: a machine with a server, clients of two kinds, faults, and an oracle
 * that looks at everything after each step. It runs until the faults stop, and then until every
 * client has been served once more.
 */
import { createHash } from 'node:crypto';
import { enter } from './current.ts';
import { Faults } from './faults.ts';
import { LibraryClient } from './library-client.ts';
import { Machine } from './machine.ts';
import { Oracle, Violation } from './oracle.ts';
import { Random } from './random.ts';
import { RawClient } from './raw-client.ts';
import { listen } from './service.ts';
import { SimulatedServer } from './simulated-server.ts';
import type { Swarm } from './swarm.ts';
import type { Tally } from './tally.ts';
import { Tap } from './tap.ts';

/** After the faults have stopped everybody is served within so many steps, or somebody waits. */
const QUIET_STEPS_MAX = 60_000;
/** By then the server has found out that a connection ended, and acted on it. */
const UNBIND_MS = 2_000;
/** Lines of history that are kept. */
const HISTORY_MAX = 400;

export interface Outcome {
  readonly steps: number;
  readonly tally: Tally;
  readonly errors: ReadonlyMap<string, number>;
  readonly failure: Error | undefined;
  readonly history: readonly string[];
  /** Tells two runs apart that were not the same. */
  readonly fingerprint: string;
}

export class World {
  readonly machine: Machine;
  readonly oracle: Oracle;
  readonly tap: Tap;
  readonly server: SimulatedServer;
  readonly faults: Faults;
  /** The faults have stopped. */
  isQuiet = false;
  readonly #clients: (LibraryClient | RawClient)[] = [];
  #failure: Error | undefined;
  #nonce = 0;
  #startIsDue = true;
  readonly #history: string[] = [];
  readonly #hash = createHash('sha256');

  constructor(
    readonly seed: number,
    readonly swarm: Swarm,
    readonly isVerbose = false,
  ) {
    const random = new Random(seed);
    this.machine = new Machine(random, swarm.machine);
    enter(this.machine);
    this.machine.onRejected = (error) => this.failed(error);
    const { scheduler, network } = this.machine;
    this.oracle = new Oracle(scheduler, {
      sessionsMax: swarm.server.sessionsMax,
      deaths: () => this.oracle.tally.workerDeaths + this.machine.deaths,
      executeTimeoutMs: swarm.server.executeTimeoutMs,
      taken: () => this.server.engine?.sessions ?? 0,
      log: (line) => this.log(line),
      onViolation: (violation) => this.failed(violation),
    });
    listen(this.oracle);
    this.tap = new Tap(this.oracle);
    this.server = new SimulatedServer(this.machine, this.oracle, swarm.server, random);
    this.server.onStartDue = () => {
      this.#startIsDue = true;
    };
    const log = (line: string): void => this.log(line);
    const { tally } = this.oracle;
    this.faults = new Faults(this.machine, this.server, tally, log, swarm.faults, random);
    network.tap = (socket, bytes) => {
      this.#hash.update(bytes);
      this.tap.see(socket, bytes);
    };
    for (let i = 0; i < swarm.clients; i++) {
      this.#clients.push(new LibraryClient(this, random.fork(`client ${i}`), i));
    }
    for (let i = 0; i < swarm.rawClients; i++) {
      this.#clients.push(new RawClient(this, random.fork(`raw ${i}`), i));
    }
  }

  nonce(): number {
    this.#nonce += 1;
    return this.#nonce;
  }

  clientId(owner: string, index: number): Buffer {
    return createHash('md5').update(`${owner} ${index}`).digest();
  }

  log(line: string): void {
    if (!this.isVerbose) return;
    const { nowMs, steps, current } = this.machine.scheduler;
    this.#history.push(`${steps} ${nowMs.toFixed(3)} ${current.name}: ${line}`);
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
  }

  /** The first failure counts. */
  failed(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
  }

  async run(): Promise<Outcome> {
    try {
      await this.#run();
    } catch (error) {
      this.failed(error);
    }
    const { scheduler } = this.machine;
    this.oracle.tally.workerDeaths += this.machine.deaths;
    this.oracle.tally.stalls = this.machine.network.stalls;
    this.oracle.tally.interruptions = this.machine.interruptions;
    this.#hash.update(`${scheduler.steps} ${scheduler.nowMs}`);
    return {
      steps: scheduler.steps,
      tally: this.oracle.tally,
      errors: this.tap.errors,
      failure: this.#failure,
      history: this.#history,
      fingerprint: this.#hash.digest('hex').slice(0, 16),
    };
  }

  async #run(): Promise<void> {
    const { scheduler } = this.machine;
    while (this.#failure === undefined && scheduler.steps < this.swarm.steps) await this.#step();
    this.isQuiet = true;
    this.faults.stop();
    const end = scheduler.steps + QUIET_STEPS_MAX;
    while (this.#failure === undefined && !this.#areServed()) {
      if (scheduler.steps >= end) this.#waitForEver();
      await this.#step();
    }
    if (this.#failure === undefined) await this.#afterAll();
  }

  /** Nobody is connected any more: what a connection held is let go of. */
  async #afterAll(): Promise<void> {
    const { scheduler, network } = this.machine;
    const end = scheduler.nowMs + UNBIND_MS;
    while (network.open.length > 0 || scheduler.nowMs < end) await this.#step();
    if (this.server.isUp) this.server.rows.checkUnbound(this.server.tables);
  }

  async #step(): Promise<void> {
    if (this.#startIsDue) {
      this.#startIsDue = false;
      this.log('the server starts');
      this.faults.attach();
      await this.server.start();
    }
    if (!(await this.machine.scheduler.step())) throw new Violation('nothing goes on any more');
    if (this.machine.disk.hasCrashed) this.server.crash(true);
    this.server.check();
  }

  #areServed(): boolean {
    return this.#clients.every((client) => client.isDone);
  }

  #waitForEver(): never {
    const waiting = this.#clients.filter((client) => !client.isDone);
    const names = waiting.map(({ thread, doing }) => `${thread.name} (${doing})`);
    throw new Violation(`not served after the faults have stopped: ${names.join(', ')}`);
  }
}
