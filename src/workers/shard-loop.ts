/**
 * The loop of a shard's worker: takes the owner word, runs what lies in the rings, lets go, and
 * sleeps on its doorbell when there is nothing to do. For promises and timers of the service, and
 * for its log, it returns to the event loop after every batch. Where it has neither it goes there
 * only now and then, and blocks while it sleeps, because each way through the event loop leaves
 * garbage behind, and a sleeper that blocks wakes up sooner.
 */
import { Arena } from '../core/arena.ts';
import { Header } from '../core/layout.ts';
import { Ledger } from '../core/ledger.ts';
import { Message } from '../core/message.ts';
import { SessionTable } from '../core/session-table.ts';
import { WARM_MESSAGES_MAX, Warmer } from '../core/warmer.ts';
import { nodeDisk } from '../journal/disk.ts';
import type { CheckedService } from '../services/service.ts';
import { Clock } from './clock.ts';
import { Ran } from './dispatch.ts';
import { Doorbell } from './doorbell.ts';
import { Executions } from './executions.ts';
import { Executor } from './executor.ts';
import {
  BATCH_MESSAGES_MAX,
  IDLE_LOOKS_MAX,
  IDLE_POLL_MS,
  SLEEP_MS,
  STAY_MS,
  SWEEP_BATCH_MAX,
  SWEEP_INTERVAL_MS,
} from './limits.ts';
import { Outboxes } from './outboxes.ts';
import { ownerOf, release, tryAcquire } from './owner.ts';
import { messageHash, readMessage } from './records.ts';
import { Ring } from './ring.ts';
import { ShardJournal } from './shard-journal.ts';
import { journalConfigOf, logBufferOf, meterOf, type ShardMemory } from './shard-memory.ts';
import { takeOver } from './take-over.ts';

const enum Polled {
  IDLE = 0,
  WORKED = 1,
  /** There is work, but somebody else runs the shard, or the front end has not read its answers. */
  BUSY = 2,
}

export class ShardLoop {
  readonly #arena: Int32Array;
  readonly #stopping: Int32Array;
  readonly #clock = new Clock();
  readonly #doorbell: Doorbell;
  readonly #rings: readonly Ring[];
  readonly #outboxes: Outboxes;
  readonly #executions: Executions;
  readonly #executor: Executor;
  readonly #message = new Message();
  readonly #warmer: Warmer;
  readonly #journal: ShardJournal | undefined;
  #failure: Error | undefined;
  readonly #isPortable: boolean;
  /** Whether nothing but messages ever needs this thread, which may block then. */
  readonly #stays: boolean;
  #isPumping = false;
  /** When to look for expired sessions next, on the engine's clock. */
  #sweepAt = 0;
  /** When to go to the event loop in any case, on the same. */
  #stayUntil = 0;

  /** @param mayBlock whether the thread is the loop's own */
  constructor(
    memory: ShardMemory,
    shard: number,
    readonly runner: number,
    checked: CheckedService,
    mayBlock = false,
  ) {
    const arena = new Arena(memory.arenas[shard]);
    const { config } = memory;
    this.#isPortable = checked.portable;
    this.#stays = mayBlock && checked.portable && config.journal === undefined;
    this.#arena = arena.words;
    this.#stopping = new Int32Array(memory.stopping);
    this.#doorbell = new Doorbell(memory.doorbells[shard]);
    this.#rings = memory.lanes.map((lane) => new Ring(lane.messages[shard])); // cold: once
    const ledger = new Ledger(memory.ledger);
    const buffer = logBufferOf(memory, shard);
    const table = new SessionTable(arena, ledger, this.#clock.cell, runner, buffer);
    this.#warmer = new Warmer(arena);
    this.#outboxes = new Outboxes(memory, shard, table.log);
    const wake = this.#doorbell.wake.bind(this.#doorbell);
    this.#executions = new Executions(config.executeTimeoutMs, config.bodyBytesMax, 1, wake);
    const meter = meterOf(memory, shard);
    this.#executor = new Executor(table, checked, this.#outboxes, this.#executions, meter);
    const journal = journalConfigOf(memory, shard, false);
    if (journal === undefined) return;
    this.#journal = new ShardJournal(nodeDisk, journal.config, table, meter, journal, {
      progressed: this.#logged,
      failed: this.#logFailed,
    });
  }

  /** Answers may go now; what was logged meanwhile is the next batch. */
  // cold: once per batch of the log
  readonly #logged = (): void => {
    this.#outboxes.ringAll();
    // Within a batch that was waited for, the loop goes on with the next one.
    if (!this.#isPumping) this.#pump();
    if (this.#isStopping() || this.#wantsCleaning()) this.#doorbell.wake();
  };

  // cold: once
  readonly #logFailed = (error: Error): void => {
    this.#failure = error;
    this.#doorbell.wake();
  };

  /** Carries on where a worker that died has left the shard. */
  async takeOver(): Promise<void> {
    while (ownerOf(this.#arena) !== this.runner && !tryAcquire(this.#arena, this.runner)) {
      await nextTurn();
    }
    // Whatever is left to be logged finds room.
    this.#executor.table.log?.buffer.publish();
    while (this.#journal?.isIdle === false) {
      this.#pump();
      await nextTurn();
    }
    this.#clock.read();
    takeOver(this.#executor, this.#outboxes, this.#rings, this.runner);
    this.#outboxes.publish();
    release(this.#arena);
    // Also for answers that the dead worker gave, or whose entries it wrote, and rang for nobody.
    this.#outboxes.ringAll();
  }

  /** Runs until the engine stops and the rings are empty. */
  async run(): Promise<void> {
    if (this.#stays) return this.#runAlone();
    let busyUntil = 0;
    for (;;) {
      const polled = this.#poll();
      const wrote = this.#pump();
      if (this.#failure !== undefined) throw this.#failure;
      if (polled !== Polled.IDLE || wrote) busyUntil = performance.now() + IDLE_POLL_MS;
      else if (this.#isStopping() && this.#isDone()) break;
      if (performance.now() < busyUntil) await nextTurn();
      else await this.#sleep();
    }
    await this.#journal?.close();
  }

  /** The same for a thread that need not come to the event loop for anything of its own. */
  async #runAlone(): Promise<void> {
    while (!this.#isStopping() || this.#hasWork()) {
      this.#stay();
      await nextTurn();
    }
  }

  /** Works and sleeps for a while, without the event loop. */
  #stay(): void {
    this.#stayUntil = this.#clock.cell[0] + STAY_MS;
    while (this.#mayStay()) {
      const polled = this.#poll();
      // Somebody else has the shard, or the front end does not read: there is no bell for that.
      if (polled === Polled.BUSY) return;
      if (this.#isSweeping() || this.#awaitWork()) continue;
      if (this.#isStopping()) return;
      this.#doorbell.prepare();
      if (this.#hasWork()) this.#doorbell.awake();
      else this.#doorbell.block(SLEEP_MS);
    }
  }

  /** A function of its own, because V8 boxes times in one that runs for long and seldom begins. */
  #mayStay(): boolean {
    return this.#clock.cell[0] < this.#stayUntil;
  }

  #isSweepDue(): boolean {
    this.#clock.read();
    return this.#isSweeping();
  }

  /** Whether it is time to sweep, or the last sweep has left something to end. */
  #isSweeping(): boolean {
    return this.#clock.cell[0] >= this.#sweepAt;
  }

  /** Looks for work until there is some, or for about as long as going to sleep would cost. */
  #awaitWork(): boolean {
    for (let looks = 0; looks < IDLE_LOOKS_MAX; looks++) if (this.#hasWork()) return true;
    return false;
  }

  /** Begins a batch of the log, if there are entries. True if it has been written already. */
  #pump(): boolean {
    const journal = this.#journal;
    if (journal === undefined || !journal.hasEntries()) return false;
    // What else it has to do: messages in the rings, and a service of its own.
    const mayBlock = this.#isPortable && !this.#hasWork();
    this.#isPumping = true;
    const hasBegun = journal.pump(mayBlock);
    this.#isPumping = false;
    return hasBegun && mayBlock;
  }

  /** Lets go of the log after a failure, because this thread may carry on with another loop. */
  async abandon(): Promise<void> {
    await this.#journal?.abandon();
  }

  #isStopping(): boolean {
    return Atomics.load(this.#stopping, 0) === 1;
  }

  /** A stop does not wait for the log to be short: the next start goes on with that. */
  #wantsCleaning(): boolean {
    return this.#journal?.wantsCleaning() === true && !this.#isStopping();
  }

  #isDone(): boolean {
    return this.#executions.owed === 0 && this.#journal?.isIdle !== false;
  }

  async #sleep(): Promise<void> {
    this.#doorbell.prepare();
    if (this.#hasWork() || this.#journal?.hasWork() === true) this.#doorbell.awake();
    else await this.#doorbell.sleep(SLEEP_MS);
  }

  #hasWork(): boolean {
    if (this.#executions.hasSettled || this.#wantsCleaning()) return true;
    for (let i = 0; i < this.#rings.length; i++) if (!this.#rings[i].isDrained()) return true;
    return false;
  }

  #poll(): Polled {
    if (this.#executions.running > 0) {
      this.#clock.read();
      this.#executions.expire(this.#clock.cell[0]);
    }
    if (!this.#hasWork() && !this.#isSweepDue()) return Polled.IDLE;
    if (!tryAcquire(this.#arena, this.runner)) return Polled.BUSY;
    // Once per batch: V8 boxes what the clock says.
    this.#clock.read();
    const sweeps = this.#isSweeping();
    let ran = sweeps ? this.#sweep() : 0;
    // Room for these was kept when they were started.
    if (this.#executions.hasSettled) {
      this.#executions.commitSettled(this.#executor);
      ran += 1;
    }
    for (let i = 0; i < this.#rings.length; i++) ran += this.#drain(this.#rings[i]);
    if (this.#journal !== undefined && this.#wantsCleaning()) {
      this.#journal.clean();
      ran += 1;
    }
    const published = this.#outboxes.publish();
    // After the answers: a front end that finds its ring empty finds them, or the shard held.
    for (let i = 0; i < this.#rings.length; i++) this.#rings[i].release();
    release(this.#arena);
    if (published) this.#outboxes.ring();
    if (ran > 0) return Polled.WORKED;
    return sweeps ? Polled.IDLE : Polled.BUSY;
  }

  /**
   * Ends some expired sessions. Above 0 makes the loop come back at once, which it must do as well
   * when all that it looked at had only been touched and there are more.
   */
  #sweep(): number {
    const executor = this.#executor;
    const ended = executor.sweep(SWEEP_BATCH_MAX);
    if (executor.table.wheel.next() >= 0) return ended + 1;
    this.#sweepAt = this.#clock.cell[0] + SWEEP_INTERVAL_MS;
    return ended;
  }

  #drain(ring: Ring): number {
    const m = this.#message;
    const { floats } = this.#executor.table.arena;
    let ran = 0;
    while (ran < BATCH_MESSAGES_MAX && this.#outboxes.hasRoom(this.#executions.owed)) {
      const at = ring.peek();
      if (at < 0) break;
      if (ran % WARM_MESSAGES_MAX === 0 && this.#warmer.pays) this.#warm(ring, at);
      this.#clock.tick();
      ring.startRecord(at, floats, Header.COMMITS / 2);
      readMessage(ring, at, m);
      const outcome = this.#executor.run(m);
      if (outcome !== Ran.DONE) this.#outboxes.emitOutcome(m, outcome);
      ring.finishRecord();
      ran += 1;
    }
    return ran;
  }

  /** Looks at the messages from `at` on, before the first of them runs. */
  #warm(ring: Ring, at: number): void {
    const warmer = this.#warmer;
    let next = at;
    for (let i = 0; i < WARM_MESSAGES_MAX && next >= 0; i++) {
      warmer.add(messageHash(ring, next));
      next = ring.peekAfter(next);
    }
    warmer.run();
  }
}

function nextTurn(): Promise<void> {
  // cold: once per batch, to return to the event loop
  return new Promise(setImmediate);
}
