/**
 * A session as its user sees it. What drives it is in `SessionCore`; the operations on its data are
 * in `SessionData` and need nothing but `request`.
 */
import { EventEmitter } from 'node:events';
import type { SessileError } from '../../core/errors.ts';
import type { SessionInfo, Versioned } from './answers.ts';
import { namesOf, rateOf } from './answers.ts';
import { limitedBody, operationNumber } from './checks.ts';
import type { Rate, RequestOptions } from './options.ts';
import type { SessionCore, SessionState } from './session-core.ts';
import type { BatchItem, UpdateOptions } from './session-data.ts';
import { SessionData } from './session-data.ts';

export interface SessionEvents {
  /** The state has changed, with the error that ended the session if it has ended. */
  state: [state: SessionState, cause: SessileError | undefined];
}

/**
 * A session on the server, made by `connection.session()`. Each request is executed at most once,
 * in the order in which `request` was called, over as many reconnects as it takes. The operations
 * of the built-in service are requests too; what they do stands at `SessionData`.
 */
export class Session
  extends EventEmitter<SessionEvents>
  implements Pick<SessionData, keyof SessionData>
{
  readonly #core: SessionCore;
  readonly #data: SessionData;

  /** @internal Sessions are made by `connection.session()`. */
  constructor(core: SessionCore) {
    super();
    this.#core = core;
    this.#data = new SessionData(core.hub, this.request.bind(this));
    core.changed = (state, cause) => this.emit('state', state, cause);
  }

  /** The client id as 32 lowercase hexadecimal digits. */
  get id(): string {
    return this.#core.identity.text;
  }

  /** The session number: larger for each later session of the same id. */
  get session(): number {
    return this.#core.session;
  }

  /** The number of the last request that this client knows to be committed. */
  get lastRequest(): number {
    return this.#core.sequencer.last;
  }

  /** True when the register found a live session of this id and goes on with it. */
  get resumed(): boolean {
    return this.#core.granted.resumed === true;
  }

  /** The TTL in ms that the server granted at the register; null for never. */
  get ttlMs(): number | null {
    const ttl = this.#core.granted.ttl_ms;
    return typeof ttl === 'number' ? ttl : null;
  }

  /** The rate limit that the server granted; null for none. */
  get rate(): Rate | null {
    return rateOf(this.#core.granted.rate);
  }

  /** The names of what the server allows this session. */
  get capabilities(): string[] {
    return namesOf(this.#core.granted.capabilities);
  }

  /** The register's answer as the server gave it: `ttl_ms`, `rate`, `capabilities` … */
  get granted(): Readonly<Record<string, unknown>> {
    return this.#core.granted;
  }

  get state(): SessionState {
    return this.#core.state;
  }

  /** Why the session ended; undefined while it has not. */
  get cause(): SessileError | undefined {
    return this.#core.cause;
  }

  /** Requests that wait behind the one in flight. */
  get queued(): number {
    return this.#core.sequencer.queued;
  }

  /** True while the outcome of a request is open that has timed out or was aborted. */
  get unsettled(): boolean {
    return this.#core.sequencer.unsettled;
  }

  /**
   * Executes an operation of the service and resolves with the reply's body, decoded.
   *
   * @param operation its name as in `welcome.operations`, or its number
   * @param body any value that msgpack can carry; undefined is nil
   *
   * Rejects with `ReplyStatusError` (executed, but not ok), `RefusedError` and `RateLimitedError`
   * (not executed), `SessionEvictedError`, `RequestTimeoutError` (outcome unknown if `sent`; the
   * session finds out before its next request), `QueueFullError`, `ConnectionClosedError`,
   * `ProtocolError`, `InvalidOptionError`, or the signal's reason.
   */
  request(
    operation: string | number,
    body?: unknown,
    options: RequestOptions = {},
  ): Promise<unknown> {
    const { hub, sequencer } = this.#core;
    try {
      options.signal?.throwIfAborted();
      sequencer.assertOpen();
      const number = operationNumber(hub.greeting, operation);
      const bytes = limitedBody(hub.greeting, body);
      return sequencer.request(number, bytes, hub.timeout(options), options.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  get<T extends object = Record<string, unknown>>(options?: RequestOptions): Promise<Versioned<T>> {
    return this.#data.get<T>(options);
  }

  peek<T extends object = Record<string, unknown>>(
    options?: RequestOptions,
  ): Promise<Versioned<T>> {
    return this.#data.peek<T>(options);
  }

  put(data: object, options?: RequestOptions): Promise<number> {
    return this.#data.put(data, options);
  }

  putIf(version: number, data: object, options?: RequestOptions): Promise<number> {
    return this.#data.putIf(version, data, options);
  }

  merge(data: object, options?: RequestOptions): Promise<number> {
    return this.#data.merge(data, options);
  }

  increment(field: string, delta?: number, options?: RequestOptions): Promise<number> {
    return this.#data.increment(field, delta, options);
  }

  info(options?: RequestOptions): Promise<SessionInfo> {
    return this.#data.info(options);
  }

  touch(options?: RequestOptions): Promise<void> {
    return this.#data.touch(options);
  }

  setTtl(ttlMs: number | null, options?: RequestOptions): Promise<void> {
    return this.#data.setTtl(ttlMs, options);
  }

  batch(items: readonly BatchItem[], options?: RequestOptions): Promise<unknown[]> {
    return this.#data.batch(items, options);
  }

  echo(value: unknown, options?: RequestOptions): Promise<unknown> {
    return this.#data.echo(value, options);
  }

  update<T extends object = Record<string, unknown>>(
    change: (data: T, version: number) => T | Promise<T>,
    options?: UpdateOptions,
  ): Promise<Versioned<T>> {
    return this.#data.update<T>(change, options);
  }

  /**
   * Ends the session on the server once the request in flight is settled; requests in the queue
   * are rejected unsent with `SessionEvictedError`. Idempotent, and no error if it ended already.
   * The time limit counts from when the request in flight has its answer; after it the session is
   * over here all the same.
   */
  close(options: RequestOptions = {}): Promise<void> {
    try {
      return this.#core.close(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Lets go of the session once the request in flight is settled: it lives on at the server, to its
   * TTL or until it is registered again, here or elsewhere. Nothing is sent; requests in the queue
   * are rejected with `ConnectionClosedError`. An idle session's id is free again when this
   * returns. Idempotent; the time limit counts as that of `close` does.
   */
  detach(options: RequestOptions = {}): Promise<void> {
    try {
      return this.#core.detach(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }
}
