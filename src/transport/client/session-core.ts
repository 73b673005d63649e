/**
 * One session's course from register to its end, as the frames of the server drive it. Callers see
 * it through `Session`.
 */
import { randomBytes } from 'node:crypto';
import type { ReasonName, StatusName } from '../../core/codes.ts';
import type { SessileError } from '../../core/errors.ts';
import { SessionEvictedError } from '../../core/session-errors.ts';
import type { Body } from './bodies.ts';
import { limitFrame } from './checks.ts';
import { ConnectionClosedError, RequestTimeoutError } from './errors.ts';
import { Exchange } from './exchange.ts';
import { closeFrame, Identity, registerFrame, requestFrame } from './frames.ts';
import type { Hub } from './hub.ts';
import type { RequestOptions, SessionOptions } from './options.ts';
import { registerFields } from './options.ts';
import type { SequencerHost } from './sequencer.ts';
import { isNotOurs, isPassing, Sequencer } from './sequencer.ts';
import { Waiter } from './waiter.ts';

/**
 * `connecting`: waits for a connection or its turn. `registering`: the register is out. `active`:
 * takes requests. `expired`, `closed`, `evicted`: ended by the server for that reason; `closed`
 * also when the connection was closed. `failed`: cannot go on, see the error.
 */
export type SessionState =
  | 'connecting'
  | 'registering'
  | 'active'
  | 'evicted'
  | 'expired'
  | 'closed'
  | 'failed';

interface Registration {
  readonly exchange: Exchange;
  readonly waiter: Waiter<void>;
}

interface Closing {
  /** The session ends here only, and lives on at the server. */
  readonly detaches: boolean;
  readonly options: RequestOptions;
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
  /** Runs from when no request is in flight for a caller: a request has a time limit itself. */
  waiter: Waiter<void> | undefined;
  exchange: Exchange | undefined;
}

export class SessionCore implements SequencerHost {
  readonly identity: Identity;
  readonly sequencer: Sequencer;
  state: SessionState = 'connecting';
  session = 0;
  /** What the server granted at the register, under its names on the wire. */
  granted: Readonly<Record<string, unknown>> = {};
  /** Why it ended. */
  cause: SessileError | undefined;
  /** Hears of each change of state. */
  changed: (state: SessionState, cause: SessileError | undefined) => void = () => {};
  readonly #options: SessionOptions;
  #registration: Registration | undefined;
  #closing: Closing | undefined;

  constructor(
    readonly hub: Hub,
    options: SessionOptions,
  ) {
    this.#options = options;
    this.identity = new Identity(options.id ?? randomBytes(16));
    this.sequencer = new Sequencer(hub.window, hub.settings.queueMax, this);
  }

  get ended(): boolean {
    return this.cause !== undefined;
  }

  /** Registers. Resolves when the session is active. */
  open(): Promise<void> {
    const frame = registerFrame(this.identity, registerFields(this.#options));
    limitFrame(this.hub.greeting, frame);
    const timeoutMs = this.hub.timeout(this.#options);
    this.hub.adopt(this);
    const exchange = new Exchange(frame, {
      sent: () => this.#change('registering', undefined),
      lost: () => {
        this.#change('connecting', undefined);
        return true;
      },
    });
    const waiter = new Waiter<void>(timeoutMs, this.#options.signal, (cause) => {
      const late = new RequestTimeoutError('a register', timeoutMs, exchange.sends > 0);
      this.#giveUp(exchange, cause === 'abort' ? waiter.abortReason : late, late);
    });
    this.#registration = { exchange, waiter };
    this.hub.window.submit(exchange);
    return waiter.promise;
  }

  registered(session: number, last: number, granted: Readonly<Record<string, unknown>>): void {
    const registration = this.#registration;
    // A second answer to a register that was sent twice says nothing new.
    if (registration === undefined || registration.exchange.sends === 0) return;
    this.#registration = undefined;
    this.hub.window.drop(registration.exchange);
    this.session = session;
    this.sequencer.begin(last, this.hub.left.take(this.identity.text, session));
    this.granted = granted;
    registration.waiter.resolve();
    this.#change('active', undefined);
  }

  reply(session: number, request: number, status: StatusName, body: Body): void {
    if (session === this.session) this.sequencer.reply(request, status, body);
  }

  evicted(session: number, reason: ReasonName): void {
    // Session 0 is no session yet: what ended then was an earlier one of this id.
    if (session !== this.session || session === 0) return;
    const state = reason === 'expired' || reason === 'closed' ? reason : 'evicted';
    this.end(state, new SessionEvictedError(reason, this.identity.text, session));
  }

  /** An error frame with this id; false when it answers nothing that is open here. */
  refused(number: number | null, error: SessileError): boolean {
    if (number !== null) return this.sequencer.refused(number, error);
    const registration = this.#registration;
    const exchange = registration?.exchange ?? this.#closing?.exchange;
    if (exchange === undefined || exchange.sends === 0) return false;
    this.hub.window.answered(exchange);
    if (registration === undefined && isNotOurs(error)) this.failed(error);
    else if (isPassing(error)) this.hub.window.retryLater(exchange);
    else this.end('failed', error);
    return true;
  }

  /** The connection is gone; another will be tried. */
  disconnected(): void {
    if (this.#options.scope !== 'connection' || this.state !== 'active') return;
    this.end('evicted', new SessionEvictedError('disconnected', this.identity.text, this.session));
  }

  /**
   * Ends the session on the server, after the request in flight. Idempotent. When no answer comes
   * in time the session is over here all the same, and the server's ends by its TTL.
   */
  close(options: RequestOptions): Promise<void> {
    const reason = new SessionEvictedError('closed', this.identity.text, this.session);
    return this.#leave(options, false, reason);
  }

  /** Ends the session here, after the request in flight. Idempotent. */
  detach(options: RequestOptions): Promise<void> {
    return this.#leave(options, true, detached());
  }

  #leave(options: RequestOptions, detaches: boolean, reason: SessileError): Promise<void> {
    if (this.ended) return Promise.resolve();
    if (this.#closing !== undefined) return this.#closing.promise;
    // Checked now, although it counts from later on.
    this.hub.timeout(options);
    let resolve!: () => void;
    let reject!: (reason: unknown) => void;
    const promise = new Promise<void>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    const pending = { waiter: undefined, exchange: undefined };
    this.#closing = { detaches, options, promise, resolve, reject, ...pending };
    this.sequencer.drain(reason);
    return promise;
  }

  /** Ends the session here and tells everyone who waits for something of it. */
  end(state: SessionState, error: SessileError, registering: unknown = error): void {
    if (this.ended) return;
    this.cause = error;
    this.hub.forget(this);
    this.sequencer.end(error);
    const registration = this.#registration;
    this.#registration = undefined;
    if (registration !== undefined) this.hub.window.drop(registration.exchange);
    registration?.waiter.reject(registering);
    this.#endClosing(error);
    this.#change(state, error);
  }

  frame(request: number, operation: number, body: Uint8Array): Buffer {
    return requestFrame(this.identity, this.session, request, operation, body);
  }

  timedOut(): void {
    this.hub.suspect();
  }

  failed(error: SessileError): void {
    if (!isNotOurs(error)) return this.end('failed', error);
    // We registered it: it has ended, so long ago that nobody knows how.
    const gone = new SessionEvictedError('no_session', this.identity.text, this.session);
    gone.cause = error;
    this.end('evicted', gone);
  }

  quiet(): void {
    const closing = this.#closing;
    if (closing === undefined || closing.waiter !== undefined) return;
    const { options } = closing;
    const timeoutMs = this.hub.timeout(options);
    const waiter = new Waiter<void>(timeoutMs, options.signal, (cause) => {
      const sent = (closing.exchange?.sends ?? 0) > 0;
      const what = closing.detaches ? 'a detach' : 'a close';
      const late = new RequestTimeoutError(what, timeoutMs, sent);
      waiter.reject(cause === 'abort' ? waiter.abortReason : late);
      this.end('closed', late);
    });
    closing.waiter = waiter;
    waiter.promise.then(closing.resolve, closing.reject);
  }

  idle(): void {
    const closing = this.#closing;
    if (closing === undefined) return;
    if (closing.detaches) {
      closing.waiter?.resolve();
      this.end('closed', detached());
      return;
    }
    const frame = closeFrame(this.identity, this.session);
    closing.exchange = new Exchange(frame, { lost: () => true });
    this.hub.window.submit(closing.exchange);
  }

  /** An abort or a timeout before the server has answered the register. */
  #giveUp(exchange: Exchange, error: unknown, late: SessileError): void {
    const orphan = exchange.sends > 0 && this.#options.id === undefined;
    this.end('failed', late, error);
    // Nobody knows the random id of a session that may just be made: it would hold a slot until
    // its TTL is over.
    if (orphan) this.hub.sendLoose(closeFrame(this.identity, 0));
  }

  #endClosing(error: SessileError): void {
    const closing = this.#closing;
    if (closing === undefined) return;
    if (closing.exchange !== undefined) this.hub.window.drop(closing.exchange);
    const waiting: Waiter<void> | Closing = closing.waiter ?? closing;
    // Whatever ended it on the server, it has ended, and that is what was asked for.
    if (error instanceof SessionEvictedError) waiting.resolve();
    else waiting.reject(error);
  }

  #change(state: SessionState, cause: SessileError | undefined): void {
    if (this.state === state) return;
    this.state = state;
    this.changed(state, cause);
  }
}

function detached(): ConnectionClosedError {
  return new ConnectionClosedError('the session was detached; it lives on at the server');
}
