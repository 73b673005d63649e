/**
 * What a shard's table must do, written as plainly as possible: a Map of objects, an array for the
 * commit order, strings for answers. The tests run both side by side.
 */
import { TTL_NEVER } from '../../src/core/limits.ts';

export interface NaiveSession {
  id: number;
  session: number;
  request: number;
  /** The operation and body of the last commit; a register has none. */
  asked: string | null;
  reply: string;
  status: number;
  data: string;
  version: number;
  ttlMs: number;
  activeAt: number;
  commit: number;
  committedAt: number;
  token: number;
  /** What executes now, and on which runner. */
  executing: { asked: string; runner: number } | null;
  /** Its connection has gone: it ends once it is not executing. */
  doomed: boolean;
  createdAt: number;
  rate: readonly [number, number] | null;
  /** When the whole burst is there again, in units of which `rate` pass each ms. */
  burstAt: number;
}

interface Ended {
  id: number;
  session: number;
  reason: string;
}

export interface NaiveLimits {
  slots: number;
  sessionsMax: number;
  ttlDefaultMs: number;
  /** Which entry of the bounded memory of ends an id falls into. */
  endedEntryOf: (id: number) => number;
}

export class NaiveModel {
  readonly sessions = new Map<number, NaiveSession>();
  /** Ids from the one that committed longest ago to the newest. */
  order: number[] = [];
  readonly ended = new Map<number, Ended>();
  now = 0;
  commits = 0;
  commitTime = 0;
  /** The last session that ended, as `id session token reason`. */
  lastEnded = '';
  readonly counted: Record<string, number> = {};

  constructor(readonly limits: NaiveLimits) {}

  /** The same state again, sharing nothing with this one. */
  copy(): NaiveModel {
    const copy = new NaiveModel(this.limits);
    const { order, now, commits, commitTime, lastEnded } = this;
    Object.assign(copy, { order: [...order], now, commits, commitTime, lastEnded });
    for (const [id, session] of this.sessions) copy.sessions.set(id, structuredClone(session));
    for (const [entry, ended] of this.ended) copy.ended.set(entry, ended);
    return copy;
  }

  register(
    id: number,
    ttlMs: number | undefined,
    token: number,
    rate: readonly [number, number] | null = null,
  ): string {
    const live = this.find(id);
    if (live !== undefined) {
      if (live.executing === null) live.token = token;
      this.#count('resumed');
      return 'resumed';
    }
    if (this.sessions.size >= this.limits.sessionsMax) return 'no_room';
    if (this.sessions.size >= this.limits.slots) return 'shard_full';
    const session: NaiveSession = {
      id,
      session: this.commits + 1,
      request: 0,
      asked: null,
      reply: '',
      status: 0,
      data: '',
      version: 0,
      ttlMs: ttlMs ?? this.limits.ttlDefaultMs,
      activeAt: 0,
      commit: 0,
      committedAt: 0,
      token,
      executing: null,
      doomed: false,
      createdAt: Math.max(this.commitTime, this.now),
      rate,
      burstAt: 0,
    };
    this.sessions.set(id, session);
    this.#committed(session, true);
    this.#count('registered');
    return 'admitted';
  }

  begin(
    id: number,
    session: number,
    n: number,
    asked: string,
    token: number,
    runner: number,
    cost = 1,
  ) {
    const live = this.find(id);
    if (live === undefined) return `eviction ${this.#recall(id, session)}`;
    if (session < live.session) return 'eviction session_too_low';
    if (session > live.session) return this.#error('session_too_high');
    if (n > live.request + 1) return this.#error('request_gap');
    if (n < live.request || n === 0) return this.#error('request_stale');
    if (n === live.request) {
      if (asked !== live.asked) return this.#error('request_mismatch');
      if (live.executing === null) live.token = token;
      this.#count('replays');
      return 'replay';
    }
    if (live.executing !== null) {
      if (asked !== live.executing.asked) return this.#error('request_in_flight');
      live.token = token;
      return 'joined';
    }
    if (this.retryAfter(live, cost) !== 0) return this.#error('rate_limited');
    live.executing = { asked, runner };
    live.token = token;
    this.#pay(live, cost);
    return 'execute';
  }

  commit(
    id: number,
    reply: string,
    data: string | undefined,
    status: number,
    touches = true,
    ttlMs = -1,
  ): void {
    const live = this.sessions.get(id)!;
    live.request += 1;
    live.asked = live.executing!.asked;
    live.executing = null;
    live.reply = reply;
    live.status = status;
    this.#write(live, data);
    this.#committed(live, touches, ttlMs);
    this.#count('requests');
  }

  abort(id: number): void {
    this.sessions.get(id)!.executing = null;
  }

  beginCall(id: number, cost = 1): string {
    const live = this.find(id);
    if (live === undefined) return `eviction ${this.#recall(id, 0)}`;
    if (this.retryAfter(live, cost) !== 0) return this.#error('rate_limited');
    this.#pay(live, cost);
    return 'execute';
  }

  /** Milliseconds until a session may spend so much; -1 = never. */
  retryAfter(live: NaiveSession, cost: number): number {
    if (live.rate === null) return 0;
    const [perSecond, burst] = live.rate;
    if (cost > burst) return -1;
    const backlog = Math.max(0, live.burstAt - this.#elapsed(live) * perSecond);
    return Math.max(0, Math.ceil((backlog + 1000 * (cost - burst)) / perSecond));
  }

  #pay(live: NaiveSession, cost: number): void {
    if (live.rate === null) return;
    live.burstAt = Math.max(live.burstAt, this.#elapsed(live) * live.rate[0]) + 1000 * cost;
  }

  #elapsed(live: NaiveSession): number {
    return Math.max(0, Math.floor(this.now) - Math.floor(live.createdAt));
  }

  commitCall(id: number, data: string | undefined, touches: boolean, ttlMs = -1): void {
    const live = this.sessions.get(id)!;
    this.#write(live, data);
    this.#committed(live, touches, ttlMs);
    this.#count('calls');
  }

  close(id: number, session: number): string {
    const live = this.find(id);
    if (live === undefined) return `eviction ${this.#recall(id, session)}`;
    if (session !== 0 && session < live.session) return 'eviction session_too_low';
    if (session > live.session) return this.#error('session_too_high');
    if (live.executing !== null) return this.#error('request_in_flight');
    this.end(live, 'closed');
    return 'eviction closed';
  }

  /** The connection of a session has gone. */
  orphan(id: number, session: number): string {
    const live = this.find(id);
    if (live === undefined) return `eviction ${this.#recall(id, session)}`;
    if (session !== 0 && session < live.session) return 'eviction session_too_low';
    if (session > live.session) return this.#error('session_too_high');
    if (live.executing !== null) {
      live.doomed = true;
      return 'joined';
    }
    this.end(live, 'disconnected');
    return 'eviction disconnected';
  }

  reap(id: number): boolean {
    const live = this.sessions.get(id);
    if (live === undefined || !live.doomed || live.executing !== null) return false;
    this.end(live, 'disconnected');
    return true;
  }

  evictOldest(limitMs: number): string {
    const victim = this.victim();
    if (victim === undefined) return 'none';
    if (victim.committedAt > limitMs) return 'not_oldest';
    this.end(victim, this.isExpired(victim) ? 'expired' : 'evicted');
    return 'evicted';
  }

  /** The session that committed longest ago among those that are not pinned. */
  victim(): NaiveSession | undefined {
    const id = this.order.find((candidate) => this.sessions.get(candidate)!.executing === null);
    return id === undefined ? undefined : this.sessions.get(id);
  }

  /** The live session of an id; an expired one ends here. */
  find(id: number): NaiveSession | undefined {
    const live = this.sessions.get(id);
    if (live === undefined || !this.isExpired(live)) return live;
    this.end(live, 'expired');
    return undefined;
  }

  end(live: NaiveSession, reason: string): void {
    const { id, session, token } = live;
    this.sessions.delete(id);
    this.order = this.order.filter((other) => other !== id);
    this.ended.set(this.limits.endedEntryOf(id), { id, session, reason });
    this.lastEnded = `${id} ${session} ${token} ${reason}`;
    this.#count(reason);
  }

  isExpired(live: NaiveSession): boolean {
    if (live.executing !== null || live.ttlMs === TTL_NEVER) return false;
    return this.now - live.activeAt > live.ttlMs;
  }

  #recall(id: number, session: number): string {
    const ended = this.ended.get(this.limits.endedEntryOf(id));
    if (ended === undefined || ended.id !== id) return 'no_session';
    return session === 0 || session === ended.session ? ended.reason : 'no_session';
  }

  #write(live: NaiveSession, data: string | undefined): void {
    if (data === undefined) return;
    live.data = data;
    live.version += 1;
  }

  #committed(live: NaiveSession, touches: boolean, ttlMs = -1): void {
    this.commits += 1;
    this.commitTime = Math.max(this.commitTime, this.now);
    live.commit = this.commits;
    live.committedAt = this.commitTime;
    if (touches) live.activeAt = this.commitTime;
    if (ttlMs >= 0) live.ttlMs = ttlMs;
    this.order = this.order.filter((other) => other !== live.id);
    this.order.push(live.id);
  }

  #error(code: string): string {
    this.#count('errors');
    this.#count(`error ${code}`);
    return `error ${code}`;
  }

  #count(name: string): void {
    this.counted[name] = (this.counted[name] ?? 0) + 1;
  }
}
