/**
 * The operations of one thread that returned a promise and have not settled: their contexts, and
 * what to commit when they do. Bounded; when all are in use, requests are refused as `server_busy`
 * before they execute.
 *
 * An execution keeps its body, reply and data in buffers of its own, because ring and staging
 * memory go on being used. When its promise settles it waits in a list until its thread holds the
 * shard again.
 */

import { assert } from '../core/assert.ts';
import { copyWords } from '../core/copy.ts';
import { Row } from '../core/layout.ts';
import { Message } from '../core/message.ts';
import type { SessionTable } from '../core/session-table.ts';
import { ServiceContext } from '../services/context.ts';
import { EXECUTIONS_MAX } from './limits.ts';

/** What runs operations on a shard, and commits them once they have settled. */
interface Owner {
  readonly table: SessionTable;
  checkWrites(m: Message, context: ServiceContext): void;
  settle(m: Message, slot: number, context: ServiceContext, startedMs: number): void;
}

/** A context and all that a promise needs kept beside it. */
export class Execution {
  readonly context = new ServiceContext();
  readonly message = new Message();
  executor: Owner | undefined;
  slot = -1;
  pin = 0;
  startedMs = 0;
  body = new Int32Array(0);
  reply = new Int32Array(0);
  data = new Int32Array(0);
}

export class Executions {
  readonly #free: Execution[] = [];
  readonly #running = new Set<Execution>();
  readonly #settled: Execution[] = [];

  /**
   * @param timeoutMs after which an execution is answered as failed whatever its promise does
   * @param bodyBytesMax the longest body it must keep
   * @param executors that share these, each of which holds one ready
   * @param wake called when an execution settled, so that its thread comes and commits it
   */
  constructor(
    readonly timeoutMs: number,
    readonly bodyBytesMax: number,
    executors: number,
    readonly wake: () => void,
  ) {
    for (let i = 0; i < EXECUTIONS_MAX + executors; i++) this.#free.push(new Execution());
  }

  /** Whether another promise could be kept. */
  hasRoom(): boolean {
    return this.#free.length > 0;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Promises that still owe an answer. */
  get owed(): number {
    return this.#running.size + this.#settled.length;
  }

  get hasSettled(): boolean {
    return this.#settled.length > 0;
  }

  /** An execution for a request to come. Each executor holds one ready. */
  take(): Execution {
    const execution = this.#free.pop();
    assert(execution !== undefined, 'an execution is free: hasRoom was asked');
    return execution;
  }

  /** Another execution in the place of one whose request was answered. */
  renew(execution: Execution): Execution {
    this.#retire(execution);
    return this.take();
  }

  /** Keeps an operation whose promise is pending, and its session's slot. */
  start(
    execution: Execution,
    executor: Owner,
    m: Message,
    slot: number,
    promise: Promise<void>,
  ): void {
    execution.executor = executor;
    execution.slot = slot;
    execution.pin = pinOf(executor.table, slot);
    execution.startedMs = executor.table.now[0];
    this.#keep(execution, m);
    this.#running.add(execution);
    Promise.resolve(promise).then(
      () => this.#settle(execution),
      (error: unknown) => {
        if (this.#running.has(execution)) execution.context.fail(error);
        this.#settle(execution);
      },
    );
  }

  /** Drops an operation whose promise nobody waits for; a rejection of it is of no concern. */
  abandon(execution: Execution, promise: Promise<void>): void {
    Promise.resolve(promise).catch(() => {});
    this.#retire(execution);
  }

  /** Commits all executions that have settled on this executor's shard. Its owner calls it. */
  commitSettled(executor: Owner): void {
    for (let i = this.#settled.length - 1; i >= 0; i--) {
      const execution = this.#settled[i];
      if (execution.executor !== executor) continue;
      if (executor.table.log?.hasRoom() === false) return;
      this.#settled.splice(i, 1);
      this.#commit(execution, executor);
    }
  }

  /** Answers executions that have run for too long as failed. */
  expire(nowMs: number): void {
    for (const execution of this.#running) {
      // A set keeps the order of insertion, so the first one that is in time ends the walk.
      if (nowMs - execution.startedMs <= this.timeoutMs) return;
      const text = `the operation did not settle within ${this.timeoutMs} ms`;
      execution.context.fail(new Error(text));
      this.#settle(execution);
    }
  }

  /** Copies what lies in ring and staging memory into the execution's own. */
  #keep(execution: Execution, m: Message): void {
    const { context, message } = execution;
    const { arena } = (execution.executor as Owner).table;
    execution.body = fitted(execution.body, this.bodyBytesMax);
    execution.reply = fitted(execution.reply, arena.replyBytesMax);
    execution.data = fitted(execution.data, arena.dataBytesMax);
    Object.assign(message, m);
    copyWords(m.bodyWords, m.bodyWord, execution.body, 0, m.bodyLength);
    context.body.words = execution.body;
    context.body.bytes = new Uint8Array(execution.body.buffer);
    context.body.word = 0;
    const { reply, data } = execution;
    context.reply.retarget(reply, new Uint8Array(reply.buffer), 0, arena.replyBytesMax);
    context.newData.retarget(data, new Uint8Array(data.buffer), 0, arena.dataBytesMax);
  }

  /** The promise settled, or took too long: whichever comes first counts. */
  #settle(execution: Execution): void {
    if (!this.#running.delete(execution)) return;
    execution.executor?.checkWrites(execution.message, execution.context);
    execution.context.seal();
    this.#settled.push(execution);
    this.wake();
  }

  #commit(execution: Execution, executor: Owner): void {
    const { context, message, slot, pin, startedMs } = execution;
    const { table } = executor;
    const { words, bytes, regions } = table.arena;
    context.reply.retarget(words, bytes, regions.stagedReply, context.reply.length);
    context.newData.retarget(words, bytes, regions.stagedData, context.newData.length);
    assert(
      pinOf(table, slot) === pin && table.isExecuting(slot),
      'a pinned session stays in its slot',
    );
    executor.settle(message, slot, context, startedMs);
    this.#retire(execution);
  }

  /** An operation may still hold the context of an answered request, so it is not used again. */
  #retire(execution: Execution): void {
    execution.context.reply.close();
    execution.context.newData.close();
    // Its memory goes to the next request, whose body is not for this one's eyes.
    execution.context.body.length = 0;
    execution.context.data.length = 0;
    const next = new Execution();
    next.body = execution.body;
    next.reply = execution.reply;
    next.data = execution.data;
    this.#free.push(next);
  }
}

function fitted(words: Int32Array<ArrayBuffer>, bytes: number): Int32Array<ArrayBuffer> {
  const wanted = (bytes + 3) >>> 2;
  return words.length === wanted ? words : new Int32Array(wanted);
}

/** The number of the execution of a slot: no later one, of whichever session, has the same. */
function pinOf(table: SessionTable, slot: number): number {
  return table.arena.words[table.rowOf(slot) + Row.PIN];
}
