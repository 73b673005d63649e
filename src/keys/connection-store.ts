/**
 * Keys on a server, through a client's connection.
 *
 * A connection has at most one open session object per id, while callers of the same key may share
 * the connection. So all that is done about one id is done in turn, and a session object is kept
 * only by whoever made the session, from the register to its one request or its end.
 */
import { SessionEvictedError } from '../core/session-errors.ts';
import type { Connection } from '../transport/client/connection.ts';
import type { Session } from '../transport/client/session.ts';
import { runningStub } from './record.ts';
import {
  codeOf,
  isGone,
  type KeyRegistered,
  type KeyRegisterOptions,
  type KeyStore,
  requireOperations,
} from './store.ts';

/** Connections that may be lost under one call before its caller hears of it. */
const CALL_TRIES_MAX = 3;

/** For a session that should have been there, and is ended again at once. */
const STRAY_TTL_MS = 1000;

/** The part of a connection that keys need. */
export type KeyConnection = Pick<Connection, 'session' | 'call' | 'state' | 'welcome'>;

export class ConnectionKeyStore implements KeyStore {
  readonly #connection: KeyConnection;
  readonly #held = new Map<string, Session>();
  /** The last in the queue of each id. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(connection: KeyConnection) {
    this.#connection = connection;
    requireOperations(connection.welcome.operations.keys());
  }

  register(id: Uint8Array, options: KeyRegisterOptions): Promise<KeyRegistered> {
    return this.#inTurn(id, async (text) => {
      const held = this.#held.get(text);
      if (held !== undefined) {
        if (held.state === 'active' && (await this.#isLive(id))) {
          return { session: held.session, resumed: true };
        }
        // Its lease is over; if its owner comes back, it finds that out.
        this.#held.delete(text);
        await held.detach();
      }
      const session = await this.#connection.session({ id, ...options });
      if (session.resumed) await session.detach();
      else this.#held.set(text, session);
      return { session: session.session, resumed: session.resumed };
    });
  }

  /** What keys call may be called twice, so a lost connection is no reason to give up. */
  async call(id: Uint8Array, operation: string, body?: unknown): Promise<unknown> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#connection.call(id, operation, body);
      } catch (error) {
        const { state } = this.#connection;
        const isOver = state === 'closed' || state === 'failed' || tries >= CALL_TRIES_MAX;
        if (isOver || codeOf(error) !== 'connection_closed') throw error;
      }
    }
  }

  /** The session object counts the requests, from where the server says that they are. */
  request(
    id: Uint8Array,
    session: number,
    _request: number,
    operation: string,
    body: unknown,
  ): Promise<unknown> {
    return this.#inTurn(id, async (text) => {
      const own = await this.#take(id, text, session);
      try {
        return await own.request(operation, body);
      } finally {
        // It lives on at the server. If it cannot be settled in time, it is over here all the same.
        await own.detach().catch(ignore);
      }
    });
  }

  close(id: Uint8Array, session: number): Promise<void> {
    return this.#inTurn(id, async (text) => {
      const own = await this.#take(id, text, session);
      await own.close();
    });
  }

  /** The session object of whoever made this session; made again if it was let go of. */
  async #take(id: Uint8Array, text: string, number: number): Promise<Session> {
    const held = this.#held.get(text);
    if (held?.session === number) {
      this.#held.delete(text);
      return held;
    }
    if (held !== undefined) throw new SessionEvictedError('session_too_low', text, number);
    const data = runningStub();
    const session = await this.#connection.session({ id, ttlMs: STRAY_TTL_MS, data });
    if (session.resumed && session.session === number) return session;
    if (session.resumed) await session.detach();
    else await session.close();
    throw new SessionEvictedError('no_session', text, number);
  }

  async #isLive(id: Uint8Array): Promise<boolean> {
    try {
      await this.call(id, 'peek');
      return true;
    } catch (error) {
      if (isGone(error)) return false;
      throw error;
    }
  }

  async #inTurn<T>(id: Uint8Array, work: (text: string) => Promise<T>): Promise<T> {
    const text = Buffer.from(id).toString('hex');
    const before = this.#turns.get(text) ?? Promise.resolve();
    const done = before.then(() => work(text));
    const turn = done.then(ignore, ignore);
    this.#turns.set(text, turn);
    try {
      return await done;
    } finally {
      if (this.#turns.get(text) === turn) this.#turns.delete(text);
    }
  }
}

function ignore(): void {}
