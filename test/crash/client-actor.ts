/**
 * A session of the library's client under load: one request after the other, over as many restarts
 * as there are. The client settles what was in flight by itself, with the same number.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Connection, Session } from '../../dist/index.js';
import { isSame, newState, nextStep, reading, type ServiceName, type State } from './model.ts';
import type { Random } from './random.ts';
import type { Tally } from './tally.ts';

/** Far longer than the server is ever away: who waits so long waits for a lost answer. */
const PATIENCE_MS = 20_000;

/** How often a session is closed, and how often where others wait for its place. */
const CLOSE_PERCENT = 1;
const CLOSE_PERCENT_FULL = 20;

/** Who was refused tries again within so long. */
const REFUSED_PAUSE_MS = 5;

/** A session that has ended, by what its client was told. */
export interface Ended {
  readonly id: string;
  readonly session: number;
  readonly request: number;
}

/** What all clients of a run have in common. */
export interface World {
  readonly service: ServiceName;
  readonly tally: Tally;
  /** Whether sessions may be evicted: more register than there is room for. */
  readonly evicts: boolean;
  /** Whether the table is full most of the time, and refuses whoever finds no room. */
  readonly rejects: boolean;
  /** Sessions that must never come back. */
  readonly ended: Ended[];
}

/** The last acknowledged request of a session. */
export interface LastRequest {
  readonly id: string;
  readonly session: number;
  readonly request: number;
  readonly operation: string;
  readonly body: unknown;
}

export class ClientActor {
  readonly #world: World;
  readonly #connection: Connection;
  readonly #random: Random;
  #session: Session | undefined;
  #state: State;
  #last: LastRequest | undefined;
  #isStopping = false;
  #done: Promise<void> = Promise.resolve();

  constructor(world: World, connection: Connection, random: Random) {
    this.#world = world;
    this.#connection = connection;
    this.#random = random;
    this.#state = newState(world.service);
  }

  start(): void {
    this.#isStopping = false;
    this.#done = this.#run();
  }

  /** Resolves once the request in flight is acknowledged. */
  async halt(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
  }

  /** What must be answered from the stored reply; undefined before the first request. */
  get last(): LastRequest | undefined {
    return this.#last;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isStopping) await this.#step();
    } catch (error) {
      this.#world.tally.violated(`a client of ${this.#session?.id} failed: ${String(error)}`);
    }
  }

  async #step(): Promise<void> {
    this.#session ??= await this.#register();
    if (this.#session === undefined) return pause(this.#random.below(REFUSED_PAUSE_MS));
    const closePercent = this.#world.rejects ? CLOSE_PERCENT_FULL : CLOSE_PERCENT;
    if (this.#random.chance(closePercent)) return this.#close(this.#session);
    try {
      await this.#request(this.#session);
    } catch (error) {
      if (!this.#isEviction(error)) throw error;
      this.#buried();
    }
  }

  /** Undefined when there is no room. */
  async #register(): Promise<Session | undefined> {
    const { ended, tally, evicts } = this.#world;
    const mayReturn = !evicts && ended.length > 0 && this.#random.chance(30);
    const before = mayReturn ? ended.pop() : undefined;
    const id = before?.id ?? this.#random.id();
    const session = await this.#open(id);
    if (session === undefined) {
      if (before !== undefined) ended.push(before);
      return undefined;
    }
    if (before !== undefined && session.session <= before.session) {
      tally.violated(`${id} registered again and got ${session.session} after ${before.session}`);
    }
    if (session.lastRequest !== 0) {
      tally.violated(`${id} is new and has request ${session.lastRequest}`);
    }
    this.#state = newState(this.#world.service);
    this.#last = undefined;
    return session;
  }

  async #open(id: string): Promise<Session | undefined> {
    try {
      return await this.#connection.session({ id, timeoutMs: PATIENCE_MS });
    } catch (error) {
      const { code } = error as { code?: string };
      if (!this.#world.rejects || code !== 'sessions_exhausted') throw error;
      this.#world.tally.refused += 1;
      return undefined;
    }
  }

  async #request(session: Session): Promise<void> {
    const { tally, service } = this.#world;
    const step = nextStep(service, this.#state, this.#random);
    const { operation, body } = step;
    const number = session.lastRequest + 1;
    let reply: unknown;
    try {
      reply = await session.request(operation, body, { timeoutMs: PATIENCE_MS });
    } catch (error) {
      if (!step.fails || (error as Error).name !== 'ReplyStatusError') throw error;
    }
    tally.acknowledged += 1;
    if (!isSame(reply, step.reply)) {
      const told = `${JSON.stringify(reply)}, not ${JSON.stringify(step.reply)}`;
      tally.violated(`${session.id} request ${number}, ${operation}, gave ${told}`);
    }
    if (session.lastRequest !== number) {
      tally.violated(`${session.id} is at request ${session.lastRequest}, not ${number}`);
    }
    this.#state = step.after;
    const { id } = session;
    this.#last = { id, session: session.session, request: number, operation, body };
  }

  async #close(session: Session): Promise<void> {
    await session.close({ timeoutMs: PATIENCE_MS });
    this.#world.tally.closed += 1;
    this.#buried();
  }

  /** The session has ended; nothing of it may come back. */
  #buried(): void {
    const { id, session, lastRequest } = this.#session!;
    this.#world.ended.push({ id, session, request: lastRequest });
    this.#session = undefined;
    this.#last = undefined;
  }

  #isEviction(error: unknown): boolean {
    const { name, reason } = error as { name: string; reason?: string };
    if (name !== 'SessionEvictedError' || !this.#world.evicts) return false;
    this.#world.tally.evictions += 1;
    return reason === 'evicted' || reason === 'no_session';
  }

  /** Halted: whether the server has just what this client knows. */
  async check(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    const { tally, service, evicts } = this.#world;
    const [operation, wanted] = reading(service, this.#state);
    const options = { timeoutMs: PATIENCE_MS };
    try {
      const found = await this.#connection.call(session.id, operation, null, options);
      if (!isSame(found, wanted)) {
        tally.violated(`${session.id} has ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
      }
      const entry = await this.#connection.inspect(session.id, options);
      if (entry?.session !== session.session || entry.request !== session.lastRequest) {
        const there = `${entry?.session}/${entry?.request}`;
        tally.violated(`${session.id} is ${there}, not ${session.session}/${session.lastRequest}`);
      }
    } catch (error) {
      const { code } = error as { code?: string };
      if (!evicts || code !== 'no_session') throw error;
      // The client finds out with its next request.
      this.#last = undefined;
    }
  }
}
