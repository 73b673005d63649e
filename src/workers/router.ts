/**
 * The router of one front end: takes messages to their shards and brings the answers back.
 *
 * A message runs *directly*, on this thread under the shard's owner word, when the service allows
 * it, this front end has nothing waiting in the shard's ring (which keeps the order) and nobody
 * else runs the shard. Otherwise it goes into the ring, for the shard's worker. Nothing here ever
 * waits: when a ring is full the caller is told `BLOCKED` and tries again later.
 */
import { Arena } from '../core/arena.ts';
import { assert } from '../core/assert.ts';
import type { ErrorCode } from '../core/codes.ts';
import { shardOf } from '../core/hash.ts';
import { Ledger } from '../core/ledger.ts';
import { Kind, type Message } from '../core/message.ts';
import { SessionTable } from '../core/session-table.ts';
import { nodeDisk } from '../journal/disk.ts';
import type { CheckedService } from '../services/service.ts';
import { Answer, AnswerKind } from './answer.ts';
import { Clock } from './clock.ts';
import { Dispatched, type Dispatcher, type Ran, Submitted } from './dispatch.ts';
import { Doorbell } from './doorbell.ts';
import { Executions } from './executions.ts';
import type { Executor } from './executor.ts';
import { FrontEndMeter } from './front-end-meter.ts';
import { SLEEP_MS, SWEEP_BATCH_MAX, SWEEP_INTERVAL_MS } from './limits.ts';
import { Orphans, type ScopedSession } from './orphans.ts';
import { readAnswer } from './records.ts';
import { RegisterFlow } from './register-flow.ts';
import type { RouterOptions } from './router-options.ts';
import { ShardJournal } from './shard-journal.ts';
import { journalConfigOf, logBufferOf, meterOf, type ShardMemory } from './shard-memory.ts';
import { ShardPort } from './shard-port.ts';
import { type AnswerSink, Sinks } from './sinks.ts';

/** With cores to spare, so many waiting messages are worth a hop to the worker. */
const DIRECT_BACKLOG_MAX = 32;

export class Router implements Dispatcher {
  readonly clock = new Clock();
  readonly sinks = new Sinks();
  readonly ledger: Ledger;
  readonly ports: readonly ShardPort[];
  readonly meter = new FrontEndMeter(this.clock);
  readonly #options: RouterOptions;
  readonly #flow: RegisterFlow;
  readonly #executions: Executions;
  readonly #doorbell: Doorbell;
  readonly #orphans = new Orphans();
  readonly #answer = new Answer();
  readonly #hasWorkers: boolean;
  readonly #runsDirect: boolean;
  #directNow = true;
  #stopped = false;
  #inBatch = false;
  #settleScheduled = false;
  #retryIsScheduled = false;
  #logIsScheduled = false;
  /** Of the only shard, when there are no workers. */
  #journal: ShardJournal | undefined;
  #listening = false;
  #upkeep: NodeJS.Timeout | undefined;
  /** Without workers: when to look for expired sessions next. */
  #sweepAt = 0;

  constructor(
    readonly memory: ShardMemory,
    readonly checked: CheckedService,
    options: RouterOptions,
  ) {
    const { config } = memory;
    this.#options = options;
    this.#hasWorkers = config.shards > 0;
    this.#runsDirect = !this.#hasWorkers || (checked.portable && options.run !== 'worker');
    this.ledger = new Ledger(memory.ledger);
    const wake = (): void => this.#scheduleSettle();
    const { executeTimeoutMs, bodyBytesMax } = config;
    const shards = memory.arenas.length;
    this.#executions = new Executions(executeTimeoutMs, bodyBytesMax, shards, wake);
    this.#doorbell = new Doorbell(memory.lanes[options.frontEnd].doorbell);
    const deliver = (answer: Answer): void => this.#deliver(answer);
    this.ports = memory.arenas.map((sab, shard) => {
      const arena = new Arena(sab);
      const buffer = logBufferOf(memory, shard);
      const table = new SessionTable(arena, this.ledger, this.clock.cell, options.runner, buffer);
      const direct = this.#runsDirect ? { checked, executions: this.#executions } : undefined;
      return new ShardPort(memory, table, shard, options.frontEnd, direct, deliver);
    });
    this.#flow = new RegisterFlow(this, config.evicts);
    if (!this.#hasWorkers) this.#openJournal(memory);
    if (this.#hasWorkers) this.listen();
    else this.#upkeep = setInterval(() => this.#keepUp(), SLEEP_MS).unref();
  }

  #openJournal(memory: ShardMemory): void {
    const opened = journalConfigOf(memory, 0, true);
    if (opened === undefined) return;
    const { table } = this.ports[0];
    const meter = meterOf(memory, 0);
    this.#journal = new ShardJournal(nodeDisk, opened.config, table, meter, opened, {
      progressed: () => {},
      failed: (error) => this.#options.onStorageFailure?.(error),
    });
  }

  /** Opens an address for answers; 0 when all are in use. */
  open(sink: AnswerSink): number {
    return this.sinks.open(sink);
  }

  close(token: number): void {
    this.sinks.close(token);
  }

  /**
   * Starts a batch of messages, of which about `backlog` are waiting.
   *
   * @param clockIsFresh the clock was read a moment ago, for another batch of this turn
   */
  begin(backlog: number, clockIsFresh = false): void {
    assert(!this.#inBatch, 'a batch is not begun within another');
    this.#inBatch = true;
    if (!clockIsFresh) this.clock.read();
    const { run, cores } = this.#options;
    this.#directNow = run === 'direct' || cores === 1 || backlog <= DIRECT_BACKLOG_MAX;
    if (this.#hasWorkers) return;
    this.#directNow = true;
    if (this.clock.cell[0] >= this.#sweepAt) this.#sweep();
  }

  /** Ends a batch: lets go of the shards it ran and publishes what it put into rings. */
  end(): void {
    this.#inBatch = false;
    let hasLogged = false;
    for (let i = 0; i < this.ports.length; i++) hasLogged = this.ports[i].finish() || hasLogged;
    // What finds no room on the disk now is tried again by `#keepUp`.
    if (hasLogged) this.#scheduleLog();
  }

  /** All that one turn logged becomes one batch. */
  #scheduleLog(): void {
    if (this.#logIsScheduled || this.#stopped) return;
    this.#logIsScheduled = true;
    setImmediate(this.#writeScheduled);
  }

  readonly #writeScheduled = (): void => {
    this.#logIsScheduled = false;
    // What was scheduled before the stop has been written by it, and the files are closed.
    if (this.#stopped) return;
    this.writeLog();
    if (this.#journal === undefined) return;
    if (this.#journal.wantsCleaning()) this.#clean(this.#journal);
    this.poll();
    this.#options.onProgress();
  };

  /** What was logged is written: without workers on this thread, which waits for the disk. */
  writeLog(): void {
    for (let i = 0; i < this.ports.length; i++) this.ports[i].writeLog();
    this.#journal?.pump(true);
  }

  #clean(journal: ShardJournal): void {
    if (this.#inBatch || !this.ports[0].tryHold()) return this.#scheduleLog();
    journal.clean();
    this.end();
    if (journal.wantsCleaning()) this.#scheduleLog();
  }

  /** Takes one message to its shard. Its id is set; hash and front end are filled in here. */
  submit(m: Message): Submitted {
    const port = this.portOf(m);
    if (m.kind === Kind.REGISTER) {
      const submitted = this.#flow.submit(m, port);
      if (this.#flow.stalled > 0) this.#scheduleRetry();
      return submitted;
    }
    const dispatched = this.dispatch(m, port);
    return dispatched === Dispatched.BLOCKED ? Submitted.BLOCKED : Submitted.TAKEN;
  }

  /** Takes a message that is not about a session to a shard. */
  submitTo(m: Message, shard: number): Submitted {
    m.frontEnd = this.#options.frontEnd;
    const dispatched = this.dispatch(m, this.ports[shard]);
    return dispatched === Dispatched.BLOCKED ? Submitted.BLOCKED : Submitted.TAKEN;
  }

  /** The connection of a connection-scoped session has gone: the session ends. */
  disconnect(session: ScopedSession): void {
    this.#orphans.add(session);
    this.#scheduleRetry();
  }

  /** Fills in the hash of a message's id and finds its shard. */
  portOf(m: Message): ShardPort {
    const ports = this.ports;
    m.hash = ports[0].table.hash(m.id0, m.id1, m.id2, m.id3);
    m.frontEnd = this.#options.frontEnd;
    return ports[shardOf(m.hash, ports.length)];
  }

  dispatchDirect(m: Message, port: ShardPort): number {
    const executor = this.#tryDirect(port);
    if (executor === undefined) return Dispatched.BLOCKED;
    this.clock.tick();
    return executor.run(m);
  }

  dispatch(m: Message, port: ShardPort): number {
    const outcome = this.dispatchDirect(m, port);
    if (outcome !== Dispatched.BLOCKED || !this.#hasWorkers) return outcome;
    return port.push(m) ? Dispatched.QUEUED : Dispatched.BLOCKED;
  }

  #tryDirect(port: ShardPort): Executor | undefined {
    if (port.held) return port.mayRun() ? port.executor : undefined;
    if (!this.#directNow || !port.tryHold()) return undefined;
    this.#drain(port);
    return port.mayRun() ? port.executor : undefined;
  }

  /** Whether this thread is running messages: a service must not run others within its own. */
  get inBatch(): boolean {
    return this.#inBatch;
  }

  /** Delivers the answers that workers have given. True if there were any. */
  poll(): boolean {
    if (this.#inBatch) return false;
    let any = false;
    this.begin(0);
    for (let i = 0; i < this.ports.length; i++) any = this.#drain(this.ports[i]) || any;
    this.#flow.retry();
    if (this.#orphans.waiting > 0) this.#orphans.flush(this);
    this.end();
    if (this.#flow.stalled + this.#orphans.waiting > 0) this.#scheduleRetry();
    return any;
  }

  /** What is stalled, or a sweep that is not over, goes on in the next turn in any case. */
  #scheduleRetry(): void {
    if (this.#retryIsScheduled || this.#stopped) return;
    this.#retryIsScheduled = true;
    setImmediate(() => {
      this.#retryIsScheduled = false;
      this.poll();
      this.#options.onProgress();
    });
  }

  /** Whether messages or promises of this front end still await an answer. */
  isIdle(): boolean {
    if (this.#executions.running > 0 || this.#executions.hasSettled || this.#flow.pending > 0) {
      return false;
    }
    return this.ports.every((port) => port.isIdle());
  }

  /**
   * Says whether this thread comes back to `poll` by itself soon. With false, it must do so once
   * more if this answers true: something came in between.
   */
  attend(isAwake: boolean): boolean {
    if (!this.#listening) return false;
    this.#doorbell.hush(isAwake);
    return !isAwake && this.#hasAnswers();
  }

  /** Nobody answers any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#upkeep);
    this.#doorbell.wake();
    // What the last turn logged as well, whose own time to be written will not come any more.
    if (this.#journal !== undefined) this.writeLog();
    await this.#journal?.close();
  }

  #drain(port: ShardPort): boolean {
    const ring = port.answers;
    if (ring.isDrained()) return false;
    const a = this.#answer;
    const isWithin = port.isReading;
    port.isReading = true;
    for (let at = port.nextAnswer(); at >= 0; at = port.nextAnswer()) {
      readAnswer(ring, at, a);
      ring.take(at);
      this.#deliver(a);
    }
    port.isReading = isWithin;
    ring.release();
    return true;
  }

  #deliver(a: Answer): void {
    if (a.kind === AnswerKind.ROUTER) return this.#flow.resume(a.request, a.code as Ran);
    if (a.of === Kind.REGISTER) this.#flow.finish(a);
    const isTaken = this.sinks.deliver(a);
    // Registered for a connection that has gone meanwhile.
    if (!isTaken && a.kind === AnswerKind.REGISTERED && a.value !== 0) this.disconnect(a);
  }

  /** Answers a register that found no place. */
  refuse(m: Message, port: ShardPort, code: ErrorCode): void {
    const a = this.#answer;
    a.kind = AnswerKind.ERROR;
    a.of = m.kind;
    a.frontEnd = m.frontEnd;
    a.token = m.token;
    a.id0 = m.id0;
    a.id1 = m.id1;
    a.id2 = m.id2;
    a.id3 = m.id3;
    a.request = m.kind === Kind.REQUEST ? m.request : 0;
    a.code = code;
    a.bodyLength = 0;
    port.countRefusal(code);
    this.sinks.deliver(a);
  }

  /** Begins to wait for answers that other threads give, for as long as the front end lives. */
  listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    void this.#listen();
  }

  async #listen(): Promise<void> {
    while (!this.#stopped) {
      this.#doorbell.prepare();
      if (this.#hasAnswers() || this.#journal?.hasWork() === true) this.#doorbell.awake();
      else await this.#doorbell.sleep(SLEEP_MS);
      if (this.#stopped) return;
      if (this.poll()) this.#options.onProgress();
      await nextTurn();
    }
  }

  /** Without workers this thread finds operations that take too long, and expired sessions. */
  #keepUp(): void {
    this.clock.read();
    this.#executions.expire(this.clock.cell[0]);
    if (this.#inBatch) return;
    // A disk that was full may have room again.
    if (this.#journal !== undefined) return this.#writeScheduled();
    this.begin(0);
    this.end();
    this.#options.onProgress();
  }

  /** Ends some expired sessions, also while a busy thread leaves timers no time. */
  #sweep(): void {
    let hasMore = false;
    for (const port of this.ports) {
      const executor = this.#tryDirect(port);
      executor?.sweep(SWEEP_BATCH_MAX);
      hasMore ||= port.table.wheel.next() >= 0;
    }
    if (hasMore) this.#scheduleRetry();
    else this.#sweepAt = this.clock.cell[0] + SWEEP_INTERVAL_MS;
  }

  /** Whether there is an answer, or room that a register waits for. */
  #hasAnswers(): boolean {
    for (const port of this.ports) if (port.nextAnswer() >= 0) return true;
    return this.#flow.mayGoOn;
  }

  /** Commits promises of a shard without a worker, which settle on this thread. */
  #scheduleSettle(): void {
    if (this.#settleScheduled) return;
    this.#settleScheduled = true;
    setImmediate(() => {
      this.#settleScheduled = false;
      this.begin(0);
      for (const port of this.ports) {
        const executor = this.#tryDirect(port);
        if (executor !== undefined) this.#executions.commitSettled(executor);
      }
      this.end();
      this.#options.onProgress();
      if (this.#executions.hasSettled) this.#scheduleSettle();
    });
  }
}

function nextTurn(): Promise<void> {
  return new Promise(setImmediate);
}
