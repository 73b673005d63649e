/**
 * What is behind a connection: the one place where its link, its sessions, calls and pings meet.
 * Frames of the server come in here and are handed to whom they concern; what concerns nobody any
 * more, because its caller has given up, is dropped.
 */
import type { ReasonName, StatusName } from '../../core/codes.ts';
import type { SessileError } from '../../core/errors.ts';
import { InvalidOptionError } from '../../core/errors.ts';
import { type RefusedError, SessionEvictedError } from '../../core/session-errors.ts';
import { Backoff } from './backoff.ts';
import type { Body } from './bodies.ts';
import { Calls } from './calls.ts';
import type { ConnectionState, DialerHooks } from './dialer.ts';
import { Dialer } from './dialer.ts';
import { ConnectionClosedError, refusal } from './errors.ts';
import { helloFrame } from './frames.ts';
import type { ErrorFrame, FrameHandler } from './incoming.ts';
import { LeftOpen } from './left-open.ts';
import type { Link } from './link.ts';
import type { RequestOptions, Settings } from './options.ts';
import { checkToken, timeoutOption } from './options.ts';
import { Pings } from './pings.ts';
import type { SessionCore } from './session-core.ts';
import type { Welcome } from './welcome.ts';
import { Window } from './window.ts';

/**
 * Errors after which the server closes the connection, and would do so again. `hello_required` is
 * none of them: our hello comes first, so it was only late.
 */
const FATAL: readonly string[] = [
  'malformed_frame',
  'frame_too_large',
  'unsupported_version',
  'unauthorized',
  'tls_required',
];

export interface HubEvents {
  /** The connection's state has changed. */
  state(state: ConnectionState, cause: SessileError | undefined): void;
  /** An error of the server that answers nothing that is open. */
  refused(error: RefusedError): void;
}

export class Hub implements FrameHandler, DialerHooks {
  readonly window: Window;
  readonly dialer: Dialer;
  readonly calls: Calls;
  readonly pings: Pings;
  events: HubEvents = { state: () => {}, refused: () => {} };
  readonly #sessions = new Map<string, SessionCore>();
  readonly left = new LeftOpen();
  #welcome: Welcome | undefined;
  #first: { resolve: () => void; reject: (reason: unknown) => void } | undefined;
  #ended: SessileError | undefined;

  constructor(readonly settings: Settings) {
    const { reconnectMinMs, reconnectMaxMs, random, queueMax } = settings;
    const backoff = new Backoff(reconnectMinMs, reconnectMaxMs, random);
    this.window = new Window(backoff);
    this.dialer = new Dialer(settings, backoff, this, this);
    this.calls = new Calls(this.window, queueMax);
    this.pings = new Pings(queueMax + 1);
  }

  /** Dials. Resolves with the first welcome; rejects when the first try brings none. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#first = { resolve, reject };
      this.dialer.dial();
    });
  }

  /** The last welcome. Throws before the first one. */
  get greeting(): Welcome {
    if (this.#welcome === undefined) throw new ConnectionClosedError('not connected yet');
    return this.#welcome;
  }

  /** Throws when the connection has ended for good. */
  assertOpen(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  /** The time limit in ms of something with these options. */
  timeout(options: RequestOptions): number {
    return timeoutOption('timeoutMs', options.timeoutMs, this.settings.timeoutMs);
  }

  /** Takes a session on; its id must be free. */
  adopt(core: SessionCore): void {
    const id = core.identity.text;
    if (this.#sessions.has(id)) {
      const expected = 'an id that has no open session on this connection';
      throw new InvalidOptionError('id', id, expected);
    }
    this.#sessions.set(id, core);
  }

  /** A session object is over; if its session is not, another may go on with what it left open. */
  forget(core: SessionCore): void {
    const id = core.identity.text;
    if (this.#sessions.get(id) !== core) return;
    this.#sessions.delete(id);
    const isOver = core.cause instanceof SessionEvictedError;
    if (!isOver) this.left.keep(id, core.session, core.sequencer.open);
  }

  /** Sends a frame whose answer nobody needs, if there is a connection. */
  sendLoose(frame: Buffer): void {
    this.dialer.link?.send(frame);
  }

  /** Something sent was not answered in time: is the server there at all? */
  suspect(): void {
    const { link } = this.dialer;
    if (link !== undefined) this.pings.probe(link, this.settings.connectTimeoutMs);
  }

  // What the dialer tells.

  opened(link: Link): void {
    const { token } = this.settings;
    if (typeof token !== 'function') return this.#greet(link, token);
    const told = async (): Promise<string> => checkToken(await token());
    told().then(
      (given) => this.#greet(link, given),
      (error: unknown) => {
        const text = error instanceof Error ? error.message : String(error);
        link.fail(new ConnectionClosedError(`no token to connect with: ${text}`, error));
      },
    );
  }

  #greet(link: Link, token: string | undefined): void {
    if (link.isDown) return;
    link.send(helloFrame(token, this.settings.name));
    this.window.open(link);
  }

  lost(error: SessileError): void {
    this.window.suspend();
    this.pings.end(error);
    for (const core of [...this.#sessions.values()]) core.disconnected();
  }

  ended(state: 'closed' | 'failed', error: SessileError): void {
    this.#ended = error;
    this.window.suspend();
    for (const core of [...this.#sessions.values()]) core.end(state, error);
    this.calls.end(error);
    this.pings.end(error);
    this.#first?.reject(error);
    this.#first = undefined;
  }

  changed(state: ConnectionState, cause: SessileError | undefined): void {
    this.events.state(state, cause);
  }

  // What the server sends.

  welcome(welcome: Welcome): void {
    this.#welcome = welcome;
    this.window.allow(welcome.limits.inFlightMax);
    this.dialer.welcomed();
    this.#first?.resolve();
    this.#first = undefined;
  }

  registered(id: string, session: number, last: number, fields: Record<string, unknown>): void {
    this.dialer.good();
    this.#sessions.get(id)?.registered(session, last, fields);
  }

  reply(id: string, session: number, request: number, status: StatusName, body: Body): void {
    this.dialer.good();
    this.#sessions.get(id)?.reply(session, request, status, body);
  }

  evicted(id: string, session: number, reason: ReasonName): void {
    this.dialer.good();
    this.#sessions.get(id)?.evicted(session, reason);
  }

  pong(nonce: number): void {
    this.dialer.good();
    this.pings.pong(nonce);
  }

  result(correlation: number, status: StatusName, body: Body): void {
    this.dialer.good();
    this.calls.result(correlation, status, body);
  }

  /** Whether another token may help: this one had been accepted, and the next one is new. */
  #mayRenew(): boolean {
    return typeof this.settings.token === 'function' && this.dialer.state === 'connected';
  }

  error(frame: ErrorFrame): void {
    const error = refusal(frame.code, frame.message, frame.details);
    const connecting = this.dialer.state === 'connecting';
    // Before the first welcome the only thing that can be refused is the connection itself.
    if (error.code === 'unauthorized' && this.#mayRenew()) {
      this.dialer.link?.fail(new ConnectionClosedError('the token is no longer accepted', error));
      return;
    }
    if (connecting || FATAL.includes(frame.code)) {
      void this.dialer.end('failed', error);
      return;
    }
    const { id, number } = frame;
    if (id !== null || number !== null) this.dialer.good();
    const core = id === null ? undefined : this.#sessions.get(id);
    if (core?.refused(number, error)) return;
    if (number !== null && this.calls.refused(number, error)) return;
    this.events.refused(error);
  }
}
