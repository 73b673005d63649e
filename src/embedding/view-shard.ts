/**
 * One shard as a synchronous view sees it. Its answers to the view stay in `answer`; those for
 * clients of a front end (an eviction that is pushed) go into that front end's ring.
 */

import { ErrorCode, Reason } from '../core/codes.ts';
import { copyWords } from '../core/copy.ts';
import { SessileError } from '../core/errors.ts';
import { Header } from '../core/layout.ts';
import { type LogBuffer, LogState } from '../core/log-buffer.ts';
import { Kind, type Message } from '../core/message.ts';
import type { SessionTable } from '../core/session-table.ts';
import type { CheckedService } from '../services/service.ts';
import { Answer, AnswerKind, type Outbox } from '../workers/answer.ts';
import type { Ran } from '../workers/dispatch.ts';
import { Doorbell } from '../workers/doorbell.ts';
import type { Executions } from '../workers/executions.ts';
import { Executor } from '../workers/executor.ts';
import { Outboxes } from '../workers/outboxes.ts';
import { release, tryAcquire } from '../workers/owner.ts';
import { meterOf, type ShardMemory } from '../workers/shard-memory.ts';

/** The front end number of messages that belong to none. */
export const NO_FRONT_END = 0xff;

/** Tries at once, before the thread sleeps between two: some microseconds, about one batch. */
const SPINS_MAX = 2_000;
/** A shard that is never let go for so long is stuck; a batch takes some microseconds. */
const ACQUIRE_TIMEOUT_MS = 5_000;

/** How often to look whether the log has failed, while waiting for it. */
const LOG_WAIT_MS = 10;

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Lets others go on for some microseconds. */
export function pause(): void {
  Atomics.wait(sleeper, 0, 0, 0.05);
}

/** What a shard's view asks of its thread: see `ViewHooks`. */
export interface ViewShardHooks {
  readonly relieve: () => void;
  readonly writeLog?: () => void;
}

export class ViewShard implements Outbox {
  /** The answer to the last message that ran, if `hasAnswer`, with a body of the view's own. */
  answer = new Answer();
  hasAnswer = false;
  readonly #executor: Executor;
  readonly #outboxes: Outboxes;
  readonly #body: Int32Array;
  readonly #bodyBytes: Uint8Array;
  readonly #doorbell: Doorbell;
  /** The log that answers wait for; undefined when they do not. */
  readonly #awaited: LogBuffer | undefined;
  /** Up to where it must be durable what was done or seen since `acquire`. */
  #position = 0;

  constructor(
    memory: ShardMemory,
    readonly table: SessionTable,
    shard: number,
    checked: CheckedService,
    executions: Executions,
    readonly hooks: ViewShardHooks,
  ) {
    this.#body = new Int32Array((table.arena.replyBytesMax + 3) >>> 2);
    this.#bodyBytes = new Uint8Array(this.#body.buffer);
    this.#outboxes = new Outboxes(memory, shard, table.log);
    this.#doorbell = new Doorbell(memory.doorbells[shard]);
    this.#awaited = memory.config.journal?.syncs === true ? table.log?.buffer : undefined;
    const meter = meterOf(memory, shard);
    this.#executor = new Executor(table, checked, this, executions, meter);
  }

  /** Runs a message under the owner word. Throws `SessileError` `shard_busy` if it is stuck. */
  run(m: Message): Ran {
    this.hasAnswer = false;
    this.acquire();
    const ran = this.#executor.run(m);
    this.release();
    return ran;
  }

  /** Sessions of the shard that are executing now. */
  get pinned(): number {
    return this.table.arena.words[Header.EXECUTING];
  }

  get isSuccess(): boolean {
    const { kind } = this.answer;
    if (!this.hasAnswer) return false;
    return (
      kind === AnswerKind.REPLY || kind === AnswerKind.RESULT || kind === AnswerKind.REGISTERED
    );
  }

  /** Whether the answer to a close says that the session is gone, now or before. */
  get isClosed(): boolean {
    const { kind, of, code } = this.answer;
    if (!this.hasAnswer || kind !== AnswerKind.EVICTION) return false;
    return of === Kind.CLOSE && code !== Reason.SESSION_TOO_LOW;
  }

  emit(a: Answer): void {
    if (a.frontEnd !== NO_FRONT_END) return this.#outboxes.emit(a);
    if (a.of === 0) return;
    this.hasAnswer = true;
    this.answer = a;
    this.#position = a.position;
    if (a.bodyLength === 0) return;
    // The arena is somebody else's as soon as the shard is let go, so the body is taken along.
    copyWords(a.bodyWords, a.bodyWord, this.#body, 0, a.bodyLength);
    a.bodyWords = this.#body;
    a.bodyBytes = this.#bodyBytes;
    a.bodyWord = 0;
  }

  hasRoom(owed: number): boolean {
    return this.#outboxes.hasRoom(owed);
  }

  /** Tells those who asked for a request while it was between `begin` and `commit`. */
  answerRoute(slot: number, m: Message): void {
    this.#executor.answers.storedToAsker(m, slot);
  }

  /** After `commit` or `abort`: see `Executor.reap`. */
  reap(slot: number): void {
    this.#executor.reap(slot);
  }

  refuseRoute(m: Message): void {
    this.#executor.answers.refuse(m, ErrorCode.SERVER_BUSY);
  }

  /** Tells whom it concerns that `begin` found a session expired. */
  tellEnded(): void {
    this.#executor.answers.tellEnded(NO_FRONT_END, 0);
  }

  /** What is done now must be durable before the shard counts as let go: the state of a slot. */
  mustKeep(slot: number): void {
    const { log } = this.table;
    if (log !== undefined) this.#position = log.positionOf(slot);
  }

  /** Takes the owner word, and waits for it if need be: a view is synchronous. */
  acquire(): void {
    if (this.#awaited !== undefined) this.#position = this.#awaited.durablePosition;
    if (this.#tryAcquire()) return;
    const deadline = performance.now() + ACQUIRE_TIMEOUT_MS;
    for (let spins = 1; !this.#tryAcquire(); spins++) {
      if (spins < SPINS_MAX) continue;
      this.hooks.relieve();
      if (performance.now() > deadline) {
        throw new SessileError(
          'shard_busy',
          `another thread has held shard ${this.table.arena.shard} for 5 s`,
          { shard: this.table.arena.shard },
        );
      }
      pause();
    }
  }

  /**
   * Lets go of the shard, and waits until what was done, and what was seen, is as safe as promised.
   * Throws `SessileError` `storage_failed` when it is not within `ACQUIRE_TIMEOUT_MS`.
   *
   * @param waits false when a second half follows that waits for this one too
   */
  release(waits = true): void {
    const { log } = this.table;
    const published = this.#outboxes.publish();
    release(this.table.arena.words);
    if (published) this.#outboxes.ring();
    if (log?.buffer.hasEntries() === true) this.#doorbell.ring();
    if (waits && this.#awaited !== undefined) this.#wait(this.#awaited, this.#position);
  }

  #wait(awaited: LogBuffer, position: number): void {
    if (awaited.isDurable(position)) return;
    this.hooks.writeLog?.();
    // Where no worker has the shard, the engine's thread writes the log, and may be asleep.
    this.#outboxes.ringAll();
    const deadline = performance.now() + ACQUIRE_TIMEOUT_MS;
    while (!awaited.isDurable(position)) {
      if (awaited.state !== LogState.OK || performance.now() > deadline) {
        throw new SessileError(
          'storage_failed',
          'the log cannot be written now; whether this will be kept is not known',
        );
      }
      awaited.waitDurable(position, LOG_WAIT_MS);
    }
  }

  /** Only with room for what a message may push to front ends. */
  #tryAcquire(): boolean {
    const { words } = this.table.arena;
    if (!tryAcquire(words, this.table.runner)) return false;
    if (this.#outboxes.hasRoom(0)) return true;
    release(words);
    return false;
  }
}
