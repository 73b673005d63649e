/**
 * The asynchronous embedded callers of an engine: each message under way has an address of its own
 * at the router, and a promise.
 *
 * The engine answers whoever asked last for a request in execution. Callers who asked for the same
 * request before get that answer too.
 */
import { checksumMessage } from '../core/checksum.ts';
import type { ClientId } from '../core/client-id.ts';
import { ErrorCode, Reason } from '../core/codes.ts';
import { SessileError } from '../core/errors.ts';
import { Kind, Message } from '../core/message.ts';
import type { CheckedService } from '../services/service.ts';
import { type Answer, AnswerKind } from '../workers/answer.ts';
import { Submitted } from '../workers/dispatch.ts';
import type { Router } from '../workers/router.ts';
import type { AnswerSink } from '../workers/sinks.ts';
import {
  answerError,
  decodeRegistered,
  decodeReply,
  operationNumber,
  refusal,
  setBody,
  setId,
  setRegister,
  setRequestNumber,
  setSession,
} from './encoding.ts';
import type { Registered, RegisterOptions, Reply } from './types.ts';

/** The longest body of a message, and the longest data of a session. */
export interface PayloadLimits {
  readonly bodyBytesMax: number;
  readonly dataBytesMax: number;
}

/** One message under way. Kept in a pool, so that its body's memory is used again. */
class Caller implements AnswerSink {
  readonly message = new Message();
  token = 0;
  resolve: (value: unknown) => void = ignore;
  reject: (error: SessileError) => void = ignore;

  constructor(readonly host: Callers) {}

  answer(a: Answer): void {
    // A push about the session, not an answer to this message.
    if (a.of === 0) return;
    const { resolve, reject } = this;
    let value: unknown;
    try {
      value = this.#valueOf(a);
    } catch (error) {
      // A service can write bytes that are no msgpack; that concerns this caller only.
      this.host.done(this);
      reject(new SessileError('malformed_reply', `the reply cannot be decoded: ${String(error)}`));
      return;
    }
    if (value === undefined) {
      const error = answerError(a);
      // What executed was given up, and with it what those who asked before were waiting for.
      if (a.kind === AnswerKind.ERROR && a.code === ErrorCode.SERVER_BUSY) {
        this.host.share(this, (other) => other.reject(error));
      }
      this.host.done(this);
      reject(error);
      return;
    }
    if (a.kind === AnswerKind.REPLY) this.host.share(this, (other) => other.resolve(value));
    this.host.done(this);
    resolve(value);
  }

  asksTheSameAs(other: Caller): boolean {
    const m = this.message;
    const n = other.message;
    checksumMessage(m);
    checksumMessage(n);
    return m.checksumLow === n.checksumLow && m.checksumHigh === n.checksumHigh;
  }

  /** Names the request that the message asks for. */
  get key(): string {
    const m = this.message;
    const words = [m.id0, m.id1, m.id2, m.id3, m.sessionHigh, m.sessionLow, m.request];
    return words.join();
  }

  #valueOf(a: Answer): unknown {
    if (a.kind === AnswerKind.REGISTERED)
      return decodeRegistered(a, this.host.checked.capabilities);
    if (a.kind === AnswerKind.REPLY || a.kind === AnswerKind.RESULT) return decodeReply(a);
    const isClosed = a.kind === AnswerKind.EVICTION && a.of === Kind.CLOSE;
    // Gone is gone, whyever; only another live session of the id is left alone.
    return isClosed && a.code !== Reason.SESSION_TOO_LOW ? a.code : undefined;
  }
}

export class Callers {
  readonly #router: Router;
  readonly #limits: PayloadLimits;
  readonly #free: Caller[] = [];
  readonly #active = new Set<Caller>();
  /** Those who wait for the reply to a request, by what it is. */
  readonly #asking = new Map<string, Caller[]>();
  /** Messages that found no room, oldest first. */
  readonly #blocked = new Set<Caller>();
  #retryIsScheduled = false;
  #stopped = false;

  constructor(
    router: Router,
    readonly checked: CheckedService,
    limits: PayloadLimits,
  ) {
    this.#router = router;
    this.#limits = limits;
  }

  async register(id: ClientId, options: RegisterOptions): Promise<Registered> {
    const caller = this.#take();
    this.#fill(caller, () => {
      setRegister(caller.message, id, options, this.checked, this.#limits.dataBytesMax);
    });
    return (await this.#submit(caller)) as Registered;
  }

  async request(
    id: ClientId,
    session: number,
    request: number,
    operation: string | number,
    body: unknown,
  ): Promise<Reply> {
    const caller = this.#take();
    const m = caller.message;
    this.#fill(caller, () => {
      m.kind = Kind.REQUEST;
      setId(m, id);
      setSession(m, session);
      setRequestNumber(m, request);
      m.operation = operationNumber(this.checked, operation);
      setBody(m, body, this.#limits.bodyBytesMax);
    });
    const others = this.#asking.get(caller.key);
    if (others === undefined) this.#asking.set(caller.key, [caller]);
    else others.push(caller);
    return (await this.#submit(caller)) as Reply;
  }

  async call(id: ClientId, operation: string | number, body: unknown): Promise<Reply> {
    const caller = this.#take();
    const m = caller.message;
    this.#fill(caller, () => {
      m.kind = Kind.CALL;
      setId(m, id);
      setSession(m, 0);
      m.request = 0;
      m.operation = operationNumber(this.checked, operation);
      setBody(m, body, this.#limits.bodyBytesMax);
    });
    return (await this.#submit(caller)) as Reply;
  }

  async close(id: ClientId, session: number): Promise<void> {
    const caller = this.#take();
    const m = caller.message;
    this.#fill(caller, () => {
      m.kind = Kind.CLOSE;
      m.flags = 0;
      setId(m, id);
      setSession(m, session);
      m.request = 0;
      m.bodyLength = 0;
    });
    await this.#submit(caller);
  }

  /** Room may have come. */
  progress(): void {
    const blocked = [...this.#blocked];
    for (const caller of blocked) {
      // An answer to another may have settled it meanwhile.
      if (this.#blocked.delete(caller)) this.#send(caller);
    }
  }

  /** Fails everything that is under way: the engine has stopped. */
  stop(): void {
    this.#stopped = true;
    for (const caller of this.#active) {
      const { reject } = caller;
      this.done(caller);
      reject(refusal(ErrorCode.SHUTTING_DOWN, {}));
    }
  }

  /** A request was answered: those who asked for the same one before have the same answer. */
  share(caller: Caller, tell: (other: Pick<Caller, 'resolve' | 'reject'>) => void): void {
    if (caller.message.kind !== Kind.REQUEST) return;
    for (const other of this.#asking.get(caller.key)?.slice() ?? []) {
      if (other === caller || !other.asksTheSameAs(caller)) continue;
      const { resolve, reject } = other;
      this.done(other);
      tell({ resolve, reject });
    }
  }

  /** The caller's message was answered. */
  done(caller: Caller): void {
    if (caller.message.kind === Kind.REQUEST) this.#forget(caller);
    this.#router.close(caller.token);
    this.#active.delete(caller);
    this.#blocked.delete(caller);
    caller.resolve = ignore;
    caller.reject = ignore;
    this.#free.push(caller);
  }

  #forget(caller: Caller): void {
    const { key } = caller;
    const asking = this.#asking.get(key)?.filter((other) => other !== caller);
    if (asking === undefined || asking.length === 0) this.#asking.delete(key);
    else this.#asking.set(key, asking);
  }

  #take(): Caller {
    if (this.#stopped) throw refusal(ErrorCode.SHUTTING_DOWN, {});
    const caller = this.#free.pop() ?? new Caller(this);
    caller.token = this.#router.open(caller);
    if (caller.token === 0) throw refusal(ErrorCode.SERVER_BUSY, { underWay: this.#active.size });
    this.#active.add(caller);
    return caller;
  }

  /** Fills in a message; gives the caller back when an argument is refused. */
  #fill(caller: Caller, fill: () => void): void {
    try {
      fill();
    } catch (error) {
      this.done(caller);
      throw error;
    }
    caller.message.token = caller.token;
  }

  #submit(caller: Caller): Promise<unknown> {
    return new Promise((resolve, reject) => {
      caller.resolve = resolve;
      caller.reject = reject;
      this.#send(caller);
    });
  }

  #send(caller: Caller): void {
    // A service or a hook that calls its own engine waits until what it is part of is done.
    if (!this.#router.inBatch) {
      this.#router.begin(0);
      const submitted = this.#router.submit(caller.message);
      this.#router.end();
      if (submitted === Submitted.TAKEN) return;
    }
    this.#blocked.add(caller);
    if (this.#retryIsScheduled) return;
    this.#retryIsScheduled = true;
    setImmediate(() => {
      this.#retryIsScheduled = false;
      this.#router.poll();
      this.progress();
    });
  }
}

function ignore(): void {}
