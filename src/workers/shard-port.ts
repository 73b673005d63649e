/**
 * One shard as a front end sees it: its two rings, its worker's doorbell, and, where messages may
 * run directly, an executor of the front end's own.
 */
import type { ErrorCode } from '../core/codes.ts';
import { ERROR_COUNTERS, Header } from '../core/layout.ts';
import { type LogBuffer, LogState } from '../core/log-buffer.ts';
import type { Message } from '../core/message.ts';
import type { SessionTable } from '../core/session-table.ts';
import type { CheckedService } from '../services/service.ts';
import type { Answer, Outbox } from './answer.ts';
import { Doorbell } from './doorbell.ts';
import type { Executions } from './executions.ts';
import { Executor } from './executor.ts';
import { Outboxes } from './outboxes.ts';
import { ownerOf, release, tryAcquire } from './owner.ts';
import { answerPosition, pushMessage } from './records.ts';
import { Ring } from './ring.ts';
import { meterOf, type ShardMemory } from './shard-memory.ts';

export interface DirectRunning {
  readonly checked: CheckedService;
  readonly executions: Executions;
}

export class ShardPort implements Outbox {
  readonly executor: Executor | undefined;
  readonly messages: Ring;
  readonly answers: Ring;
  /** Whether this thread holds the shard's owner word now. */
  held = false;
  /**
   * Whether answers are being taken out of the ring. One of them may make a register go on; what
   * that runs is later than the answers that are still to come, so it goes through the ring too.
   */
  isReading = false;
  /** Errors that the router gave for messages to this shard, by code. */
  readonly refusals = new Float64Array(ERROR_COUNTERS);
  /** The log that answers wait for; undefined when they do not. */
  readonly #awaited: LogBuffer | undefined;
  readonly #log: LogBuffer | undefined;
  /** Up to where this thread has logged. */
  #logged = 0;
  /** Whether messages of the batch at hand lie in the ring: later ones must not pass them. */
  #hasPushed = false;
  readonly #commitsBefore: number;
  readonly #doorbell: Doorbell;
  readonly #outboxes: Outboxes;

  /**
   * @param direct what it takes to run messages on this thread; undefined = only by the worker
   * @param deliver takes the answers for this front end, without a ring
   */
  constructor(
    memory: ShardMemory,
    readonly table: SessionTable,
    shard: number,
    readonly frontEnd: number,
    direct: DirectRunning | undefined,
    readonly deliver: (answer: Answer) => void,
  ) {
    this.#commitsBefore = memory.config.commitsBefore;
    this.messages = new Ring(memory.lanes[frontEnd].messages[shard]);
    this.answers = new Ring(memory.lanes[frontEnd].answers[shard]);
    this.#doorbell = new Doorbell(memory.doorbells[shard]);
    const { log } = table;
    this.#log = log?.buffer;
    this.#logged = log?.buffer.position ?? 0;
    this.#awaited = memory.config.journal?.syncs === true ? log?.buffer : undefined;
    // What has to wait for the log goes through this front end's own ring too.
    const own = this.#awaited === undefined ? frontEnd : -1;
    this.#outboxes = new Outboxes(memory, shard, log, own, frontEnd);
    if (direct !== undefined) {
      const { checked, executions } = direct;
      const meter = meterOf(memory, shard);
      this.executor = new Executor(table, checked, this, executions, meter);
    }
  }

  /** Takes the shard for this thread, unless somebody has it or the ring holds earlier messages. */
  tryHold(): boolean {
    if (this.executor === undefined || !this.messages.isIdle()) return false;
    this.held = tryAcquire(this.table.arena.words, this.table.runner);
    return this.held;
  }

  /** Takes the shard to read its memory, whatever runs its messages. Let go with `disown`. */
  tryOwn(): boolean {
    return tryAcquire(this.table.arena.words, this.table.runner);
  }

  disown(): void {
    release(this.table.arena.words);
  }

  /** Whether a message may run now on this thread, which holds the shard. */
  mayRun(): boolean {
    return !this.#hasPushed && !this.isReading && this.#outboxes.hasRoom(0);
  }

  /** An answer of a message that ran on this thread. */
  emit(answer: Answer): void {
    if (answer.frontEnd === this.frontEnd && this.#mayDeliver(answer)) this.deliver(answer);
    else this.#outboxes.emit(answer);
  }

  /** Whether an answer to this front end may be given at once, with none before it in the ring. */
  #mayDeliver(answer: Answer): boolean {
    const awaited = this.#awaited;
    if (awaited === undefined) return true;
    return awaited.isDurable(answer.position) && this.answers.isUnused();
  }

  /**
   * The next answer in the ring that may be given now, or −1. While the disk is full an answer may
   * pass others that wait for it: reads go on.
   */
  nextAnswer(): number {
    const { answers } = this;
    const awaited = this.#awaited;
    let at = answers.peek();
    if (awaited === undefined) return at;
    while (at >= 0 && !awaited.isDurable(answerPosition(answers, at))) {
      if (awaited.state === LogState.OK) return -1;
      at = answers.peekAfter(at);
    }
    return at;
  }

  hasRoom(owed: number): boolean {
    return this.#outboxes.hasRoom(owed);
  }

  push(m: Message): boolean {
    const pushed = pushMessage(this.messages, m);
    this.#hasPushed ||= pushed;
    return pushed;
  }

  /**
   * Lets go of the shard and publishes what was pushed, ringing whoever sleeps. True if entries
   * wait to be written, and can be now: while the disk is full they are tried again by the clock.
   */
  finish(): boolean {
    if (this.held) {
      const published = this.#outboxes.publish(false);
      if (this.#log !== undefined) this.#logged = this.#log.position;
      this.held = false;
      release(this.table.arena.words);
      if (published) this.#outboxes.ring();
    }
    this.#hasPushed = false;
    if (this.messages.publish()) this.#doorbell.ring();
    const log = this.#log;
    if (log === undefined || log.state !== LogState.OK) return false;
    return log.hasEntries() || log.isBehind(this.#logged);
  }

  /**
   * Has the worker write what was logged. Not before a turn is over, so that all of it becomes one
   * batch: each costs a sync, and wakes threads.
   */
  writeLog(): void {
    this.#log?.publishTo(this.#logged);
    if (this.#log?.hasEntries() === true) this.#doorbell.ring();
  }

  /** The commit number that the shard began with. */
  get commitsBefore(): number {
    return this.#commitsBefore;
  }

  /** Sessions of the shard that are executing now. */
  get pinned(): number {
    return this.table.arena.words[Header.EXECUTING];
  }

  /**
   * Whether nothing that came from here awaits an answer. Looked at in the order in which a message
   * goes: out of the ring, unpinned, the shard let go, and its answer read.
   */
  isIdle(): boolean {
    const { words } = this.table.arena;
    // What waits for a log that cannot be written is not answered by this process.
    const { log } = this.table;
    if (log !== undefined && !log.isWritable) return true;
    if (!this.messages.isIdle() || this.pinned > 0) return false;
    return ownerOf(words) === 0 && this.answers.isDrained();
  }

  /** Counts an error that the router itself gave, who need not hold the shard. */
  countRefusal(code: ErrorCode): void {
    this.refusals[code] += 1;
  }
}
