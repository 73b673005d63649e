/**
 * A `Map` of sessions, as one writes it for a thread of its own: it checks the number of a request,
 * keeps its reply, and gives that again to a request that is asked twice.
 */
import type { Operation } from './job.ts';

export interface StoreRequest {
  readonly key: string;
  readonly number: number;
  readonly operation: Operation;
  readonly body: unknown;
}

export interface StoreReply {
  readonly number: number;
  readonly status: 'ok' | 'refused';
  readonly body: unknown;
}

interface Session {
  number: number;
  reply: unknown;
  version: number;
  data: unknown;
}

export class MapStore {
  readonly #sessions = new Map<string, Session>();

  handle({ key, number, operation, body }: StoreRequest): StoreReply {
    const session = this.#sessions.get(key) ?? this.#create(key);
    if (number === session.number) return { number, status: 'ok', body: session.reply };
    if (number !== session.number + 1) return { number, status: 'refused', body: session.number };
    if (operation === 'put') {
      session.data = body;
      session.version += 1;
    }
    session.number = number;
    session.reply = operation === 'put' ? session.version : body;
    return { number, status: 'ok', body: session.reply };
  }

  #create(key: string): Session {
    const session = { number: 0, reply: undefined, version: 0, data: undefined };
    this.#sessions.set(key, session);
    return session;
  }
}
