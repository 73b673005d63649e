/**
 * Connection-scoped sessions whose connection has gone, on their way to being ended. They wait
 * here while their shard or its ring has no time for them; there are never more than sessions.
 */
import { CloseFlag, Kind, Message } from '../core/message.ts';
import { Dispatched, type Dispatcher } from './dispatch.ts';

/** A session of a connection, by its id and its number. */
export interface ScopedSession {
  readonly id0: number;
  readonly id1: number;
  readonly id2: number;
  readonly id3: number;
  readonly sessionLow: number;
  readonly sessionHigh: number;
}

export class Orphans {
  #waiting: ScopedSession[] = [];
  readonly #message = new Message();

  get waiting(): number {
    return this.#waiting.length;
  }

  add(session: ScopedSession): void {
    const { id0, id1, id2, id3, sessionLow, sessionHigh } = session;
    this.#waiting.push({ id0, id1, id2, id3, sessionLow, sessionHigh });
  }

  /** Sends those on that find room now. Within a batch of the router. */
  flush(router: Dispatcher): void {
    const sessions = this.#waiting;
    this.#waiting = [];
    for (const session of sessions) {
      if (!this.#send(router, session)) this.#waiting.push(session);
    }
  }

  #send(router: Dispatcher, session: ScopedSession): boolean {
    const m = this.#message;
    m.kind = Kind.CLOSE;
    m.flags = CloseFlag.DISCONNECTED;
    m.token = 0;
    m.request = 0;
    m.id0 = session.id0;
    m.id1 = session.id1;
    m.id2 = session.id2;
    m.id3 = session.id3;
    m.sessionLow = session.sessionLow;
    m.sessionHigh = session.sessionHigh;
    return router.dispatch(m, router.portOf(m)) !== Dispatched.BLOCKED;
  }
}
