/**
 * Requests by a view of an engine whose shards other threads use at the same time.
 */
import { shardOf } from '../../dist/core/hash.js';
import { attach, type EngineTicket, type EngineView } from '../../dist/index.js';
import type { Client } from './client.ts';
import { idHash } from './id-hash.ts';
import { bodyOf, type Job, type Operation, SESSIONS_PER_THREAD, sessionId } from './job.ts';

class Sessions {
  readonly ids: Uint8Array[] = [];
  readonly numbers: number[] = [];
  readonly requests: number[] = [];
  at = 0;
}

export class ViewClient implements Client {
  readonly #view: EngineView;
  readonly #ticket: EngineTicket;
  /** By how many parts the shards are in, of which this thread uses one; 1 = all. */
  readonly #sets = new Map<number, Sessions>();
  #sessions = new Sessions();
  #operation: Operation = 'echo';
  #body: unknown;

  private constructor(view: EngineView, ticket: EngineTicket) {
    this.#view = view;
    this.#ticket = ticket;
  }

  static async attach(ticket: EngineTicket): Promise<ViewClient> {
    return new ViewClient(await attach(ticket), ticket);
  }

  prepare(job: Job): void {
    this.#operation = job.operation;
    this.#body = bodyOf(job.operation);
    const parts = job.layout === 'apart' ? job.threads : 1;
    let sessions = this.#sets.get(parts);
    if (sessions === undefined) {
      sessions = this.#register(job.thread, parts);
      this.#sets.set(parts, sessions);
    }
    this.#sessions = sessions;
  }

  requests(count: number, times: Float64Array | undefined): void {
    const { ids, numbers, requests } = this.#sessions;
    let at = this.#sessions.at;
    for (let i = 0; i < count; i++) {
      at = at + 1 < ids.length ? at + 1 : 0;
      const before = times === undefined ? 0 : performance.now();
      const number = ++requests[at];
      this.#view.request(ids[at], numbers[at], number, this.#operation, this.#body);
      if (times !== undefined) times[i] = performance.now() - before;
    }
    this.#sessions.at = at;
  }

  #register(thread: number, parts: number): Sessions {
    const sessions = new Sessions();
    const { config, arenas } = this.#ticket.memory;
    for (let n = 0; sessions.ids.length < SESSIONS_PER_THREAD; n++) {
      const id = sessionId(thread, n, parts);
      const shard = shardOf(idHash(id, config.seedA, config.seedB), arenas.length);
      if (shard % parts !== thread % parts) continue;
      const { session, request } = this.#view.register(id);
      sessions.ids.push(id);
      sessions.numbers.push(session);
      sessions.requests.push(request);
    }
    return sessions;
  }
}
