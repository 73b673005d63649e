/**
 * The connection as its user sees it. What drives it is in `Hub`.
 */
import { EventEmitter } from 'node:events';
import type { ClientId } from '../../core/client-id.ts';
import type { SessileError } from '../../core/errors.ts';
import { InvalidOptionError } from '../../core/errors.ts';
import type { RefusedError } from '../../core/session-errors.ts';
import type { EngineStatus } from '../../workers/status.ts';
import type { SessionDetails, SessionEntry, SessionPage } from './answers.ts';
import { limitedBody, operationNumber } from './checks.ts';
import type { ConnectionState } from './dialer.ts';
import { ConnectionClosedError } from './errors.ts';
import { Identity } from './frames.ts';
import { Hub } from './hub.ts';
import type { SessionFilter } from './operator.ts';
import { Operator } from './operator.ts';
import type { ConnectOptions, RequestOptions, SessionOptions } from './options.ts';
import { resolveSettings } from './options.ts';
import { Session } from './session.ts';
import { SessionCore } from './session-core.ts';
import { SessionData } from './session-data.ts';
import type { Welcome } from './welcome.ts';

/** A server-level operation's name has at most this many bytes. */
const NAME_BYTES_MAX = 255;

export interface ConnectionEvents {
  /** The state has changed, with the error that made it if there was one. */
  state: [state: ConnectionState, cause: SessileError | undefined];
  /** The server sent an error that answers nothing that is open here. */
  refused: [error: RefusedError];
}

/**
 * Connects to a server and resolves once it has welcomed us.
 *
 * Only this first try may fail: `ConnectionClosedError` (nobody there, or no welcome in time),
 * `RefusedError` (`unauthorized`, `unsupported_version` …), `ProtocolError` (not a sessile
 * server), `InvalidOptionError`. From then on a lost connection is made anew, for as long as it
 * takes, until `close` or until the server refuses for good.
 */
export async function connect(options: ConnectOptions = {}): Promise<Connection> {
  const hub = new Hub(resolveSettings(options));
  const connection = new Connection(hub);
  await hub.start();
  return connection;
}

/** One connection, which carries any number of sessions. */
export class Connection extends EventEmitter<ConnectionEvents> {
  readonly #hub: Hub;
  readonly #operator: Operator;

  /** @internal Connections are made by `connect`. */
  constructor(hub: Hub) {
    super();
    this.#hub = hub;
    this.#operator = new Operator((operation, body, options) =>
      this.call(null, operation, body, options),
    );
    hub.events = {
      state: (state, cause) => this.emit('state', state, cause),
      refused: (error) => this.emit('refused', error),
    };
  }

  /** What the server said about itself when it last accepted us. */
  get welcome(): Welcome {
    return this.#hub.greeting;
  }

  get state(): ConnectionState {
    return this.#hub.dialer.state;
  }

  /**
   * Registers a session, or resumes the live one of the same id.
   *
   * Rejects with `RefusedError` (`sessions_exhausted`, `invalid_options` …), `RequestTimeoutError`,
   * `ConnectionClosedError`, `InvalidOptionError` (among others if the id has an open session on
   * this connection already), or the signal's reason.
   */
  async session(options: SessionOptions = {}): Promise<Session> {
    options.signal?.throwIfAborted();
    this.#hub.assertOpen();
    const core = new SessionCore(this.#hub, options);
    const session = new Session(core);
    await core.open();
    return session;
  }

  /**
   * Runs an operation that its service allows unsequenced: without a request number, and never
   * sent twice. Resolves with the decoded result.
   *
   * @param id the client whose session it acts on, or null for an operation of the server itself
   * @param operation its name or number; the server's own operations have names only
   *
   * Rejects as `session.request` does, with `RefusedError` `no_session` or `expired` if there is no
   * live session, and with `ConnectionClosedError` if the connection is lost under it: then its
   * outcome is unknown.
   */
  call(
    id: ClientId | null,
    operation: string | number,
    body?: unknown,
    options: RequestOptions = {},
  ): Promise<unknown> {
    const hub = this.#hub;
    try {
      options.signal?.throwIfAborted();
      hub.assertOpen();
      const identity = id === null ? null : new Identity(id);
      const target = this.#target(identity, operation);
      const bytes = limitedBody(hub.greeting, body);
      const timeoutMs = hub.timeout(options);
      const suspect = () => hub.suspect();
      return hub.calls.call(identity, target, bytes, timeoutMs, options.signal, suspect);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The data of a session that may have been registered anywhere: the operations of the built-in
   * service as calls on the live session of this id. Throws `InvalidOptionError` if it is no id.
   */
  data(id: ClientId): SessionData {
    // As text it stays what it is now, whatever becomes of the caller's bytes.
    const { text } = new Identity(id);
    return new SessionData(this.#hub, (operation, body, options) =>
      this.call(text, operation, body, options),
    );
  }

  /** The server's figures, under the names that it gives them, in camelCase. */
  stats(options: RequestOptions = {}): Promise<Record<string, unknown>> {
    return this.#operator.stats(options);
  }

  /**
   * All that the server counts: by shard, operation and error code, with durations and memory.
   * See docs/metrics.md for each field.
   */
  status(options: RequestOptions = {}): Promise<EngineStatus> {
    return this.#operator.status(options);
  }

  /** One page of the live sessions. */
  list(filter: SessionFilter = {}, options: RequestOptions = {}): Promise<SessionPage> {
    return this.#operator.list(filter, options);
  }

  /**
   * All live sessions, page by page as they are asked for; `limit` is the size of a page. A
   * session that begins or ends meanwhile may be in it or not.
   */
  sessions(
    filter: SessionFilter = {},
    options: RequestOptions = {},
  ): AsyncGenerator<SessionEntry, void, undefined> {
    return this.#operator.sessions(filter, options);
  }

  /** One session as the server sees it; null if no session of this id is live. */
  inspect(id: ClientId, options: RequestOptions = {}): Promise<SessionDetails | null> {
    return this.#operator.inspect(id, options);
  }

  /** Ends a session; its client is told `removed`. False if no session of this id was live. */
  remove(id: ClientId, options: RequestOptions = {}): Promise<boolean> {
    return this.#operator.remove(id, options);
  }

  /** Reclaims the places of expired sessions. Resolves with how many there were. */
  sweep(options: RequestOptions = {}): Promise<number> {
    return this.#operator.sweep(options);
  }

  /**
   * The time in ms to the server and back. Rejects with `ConnectionClosedError` when there is no
   * connection at the moment, or when it is lost.
   */
  ping(options: RequestOptions = {}): Promise<number> {
    const hub = this.#hub;
    try {
      options.signal?.throwIfAborted();
      hub.assertOpen();
      const { link } = hub.dialer;
      if (link === undefined) throw new ConnectionClosedError('there is no connection just now');
      return hub.pings.ping(link, hub.timeout(options), options.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Closes the connection. Everything that waits for an answer rejects with
   * `ConnectionClosedError`; sessions live on at the server until they are closed or expire.
   * Resolves when the socket is closed. Idempotent.
   */
  close(): Promise<void> {
    return this.#hub.dialer.end('closed', new ConnectionClosedError('the connection was closed'));
  }

  /** Lets an idle connection keep the process alive, as it does from the start. */
  ref(): this {
    this.#hub.dialer.ref();
    return this;
  }

  /** Lets the process end while the connection is idle. What waits for an answer still holds it. */
  unref(): this {
    this.#hub.dialer.unref();
    return this;
  }

  #target(identity: Identity | null, operation: string | number): number | string {
    if (identity !== null) return operationNumber(this.#hub.greeting, operation);
    // The server's own operations have no numbers.
    const length = typeof operation === 'string' ? Buffer.byteLength(operation) : 0;
    if (length >= 1 && length <= NAME_BYTES_MAX) return operation;
    throw new InvalidOptionError('operation', operation, `a name of 1 to ${NAME_BYTES_MAX} bytes`);
  }
}
