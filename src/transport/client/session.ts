/**
 * A session as its user sees it. What drives it is in `SessionCore`; helpers for particular
 * operations belong here and need nothing but `request`.
 */
import { EventEmitter } from 'node:events';
import type { SessileError } from '../../core/errors.ts';
import { limitedBody, operationNumber } from './checks.ts';
import type { RequestOptions } from './options.ts';
import type { SessionCore, SessionState } from './session-core.ts';

export interface SessionEvents {
  /** The state has changed, with the error that ended the session if it has ended. */
  state: [state: SessionState, cause: SessileError | undefined];
}

/**
 * A session on the server, made by `connection.session()`. Each request is executed at most once,
 * in the order in which `request` was called, over as many reconnects as it takes.
 */
export class Session extends EventEmitter<SessionEvents> {
  readonly #core: SessionCore;

  /** @internal Sessions are made by `connection.session()`. */
  constructor(core: SessionCore) {
    super();
    this.#core = core;
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

  /** The TTL in ms that the server granted; null for never. */
  get ttlMs(): number | null {
    const ttl = this.#core.granted.ttl_ms;
    return typeof ttl === 'number' ? ttl : null;
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
