/**
 * The clients of a soak that mean well, beside those of the crash test: sessions that come and go
 * faster than there is room for them, idempotency keys, and an operator. What each is told is
 * compared with what it did.
 */
import { type Connection, IdempotencyKeys, keyStoreOf, type Session } from '../../dist/index.js';
import type { Random } from '../crash/random.ts';
import type { Tally } from '../crash/tally.ts';

/** Far longer than the server is ever away. */
const PATIENCE = { timeoutMs: 20_000 };
const LEASE_MS = 30_000;
const RETENTION_MS = 60_000;
const PAGE = 40;
/** Longer than it takes to fill the server with other sessions. */
const LINGER_MS = 2_000;
/** Endings that a session of these may have. */
const ENDINGS = ['evicted', 'expired', 'no_session', 'disconnected', 'removed', 'closed'];
/** What a call says of such a session. */
const REFUSALS = ['expired', 'no_session'];
/** What happened when the connection was lost during calls: only a server that ends may do that. */
export const CALLS_LOST = 'calls lost';

export interface Actor {
  /** Something, from its begin to its end. */
  step(): Promise<void>;
}

/** What has happened, by name: each must have, or the soak has shown less than it says. */
export class Happened {
  readonly counts: Record<string, number> = {};

  count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  /** Counts an error that a client may meet here. False for any other. */
  excuses(error: unknown): boolean {
    const { name, reason = '', code = '' } = error as { [key: string]: string | undefined };
    if (name === 'SessionEvictedError' && ENDINGS.includes(reason)) this.count(`ended: ${reason}`);
    else if (name === 'RefusedError' && REFUSALS.includes(code)) this.count(`refused: ${code}`);
    else if (name === 'ConnectionClosedError' || code === 'shutting_down') this.count(CALLS_LOST);
    // A session that is evicted takes its key along, and its caller hears that.
    else if (name?.startsWith('Key')) this.count('keys lost');
    else return false;
    return true;
  }
}

/** What the actors of a process have in common. */
export interface Company {
  readonly tally: Tally;
  readonly happened: Happened;
  readonly random: Random;
}

/** A session that lives for moments: it does little, and leaves in one way or another. */
export class Passer implements Actor {
  readonly #company: Company;
  readonly #connection: Connection;
  readonly #random: Random;

  constructor(company: Company, connection: Connection) {
    this.#company = company;
    this.#connection = connection;
    this.#random = company.random.fork();
  }

  async step(): Promise<void> {
    await pause(this.#random.below(15));
    const random = this.#random;
    const id = random.id();
    const ttlMs = random.chance(40) ? random.between(10, 150) : undefined;
    const scope = random.chance(20) ? 'connection' : undefined;
    const session = await this.#connection.session({ id, ttlMs, scope, ...PATIENCE });
    this.#company.happened.count('registers');
    const count = random.below(4);
    for (let n = 1; n <= count; n++) {
      this.#expect(await session.increment('n', 1, PATIENCE), n, id);
    }
    if (random.chance(50)) {
      this.#expect((await this.#connection.data(id).peek(PATIENCE)).version, count, id);
      this.#company.happened.count('calls');
    }
    await this.#leave(session, ttlMs, count);
  }

  #expect(found: number, wanted: number, id: string): void {
    const { tally } = this.#company;
    tally.acknowledged += 1;
    if (found !== wanted) tally.violated(`${id} (passing by) is at ${found}, not ${wanted}`);
  }

  async #leave(session: Session, ttlMs: number | undefined, count: number): Promise<void> {
    const kind = this.#random.below(4);
    if (kind === 0) return session.close(PATIENCE);
    if (kind === 1) {
      await this.#connection.remove(session.id, PATIENCE);
      this.#company.happened.count('removed');
    }
    if (kind === 2) {
      // Until it has expired or was evicted, most often. Then it must not be executed.
      await pause(ttlMs === undefined ? this.#random.below(LINGER_MS) : 2 * ttlMs + 20);
      this.#expect(await session.increment('n', 1, PATIENCE), count + 1, session.id);
      this.#company.happened.count('lingered');
    }
    await session.detach(PATIENCE);
  }
}

/** Several callers of one key at once: one of them runs it. */
export class KeyUser implements Actor {
  readonly #company: Company;
  readonly #connection: Connection;
  readonly #keys: IdempotencyKeys;
  readonly #random: Random;

  constructor(company: Company, connection: Connection) {
    this.#company = company;
    this.#connection = connection;
    this.#random = company.random.fork();
    const options = { leaseMs: LEASE_MS, retentionMs: RETENTION_MS };
    this.#keys = new IdempotencyKeys(keyStoreOf(connection), options);
  }

  async step(): Promise<void> {
    const before = await this.#connection.stats(PATIENCE);
    const key = this.#random.id();
    let runs = 0;
    const work = async (): Promise<number> => {
      runs += 1;
      await pause(this.#random.below(5));
      return runs;
    };
    const callers = Array.from({ length: this.#random.between(2, 4) }, () =>
      this.#keys.run(key, 'soak', work),
    );
    const outcomes = await Promise.allSettled(callers);
    const after = await this.#connection.stats(PATIENCE);
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') this.#company.happened.count('key results');
      else if (!this.#company.happened.excuses(outcome.reason)) throw outcome.reason;
    }
    const isWhole = outcomes.every(({ status }) => status === 'fulfilled');
    if (runs !== 1 && isWhole && !mayHaveLost(before, after)) {
      this.#company.tally.violated(`the key ${key} was run ${runs} times`);
    }
    await pause(this.#random.below(40));
  }
}

/** Whether so many sessions were evicted meanwhile that a new one may have been among them. */
function mayHaveLost(before: Record<string, unknown>, after: Record<string, unknown>): boolean {
  const evicted = Number(after.evicted) - Number(before.evicted);
  // Another life of the server counts from 0.
  const isSameLife = Number(after.registered) >= Number(before.registered) && evicted >= 0;
  return !isSameLife || evicted > Number(after.sessions_max) / 2;
}

/** Looks at everything, all the time. */
export class OperatorActor implements Actor {
  readonly #company: Company;
  readonly #connection: Connection;
  readonly #sessionsMax: number;

  constructor(company: Company, connection: Connection, sessionsMax: number) {
    this.#company = company;
    this.#connection = connection;
    this.#sessionsMax = sessionsMax;
  }

  async step(): Promise<void> {
    const { tally, happened, random } = this.#company;
    const stats = await this.#connection.stats(PATIENCE);
    const sessions = Number(stats.sessions);
    if (!(sessions <= this.#sessionsMax)) {
      tally.violated(`${sessions} sessions live, of ${this.#sessionsMax} at most`);
    }
    let cursor: string | null = null;
    const seen = new Set<string>();
    do {
      const page = await this.#connection.list({ limit: PAGE, cursor, ...PATIENCE });
      for (const { id } of page.sessions) {
        if (!/^[0-9a-f]{32}$/.test(id)) tally.violated(`a session is listed as ${id}`);
        seen.add(id);
      }
      cursor = page.cursor;
      happened.count('pages');
    } while (cursor !== null);
    const [id] = seen;
    if (id !== undefined) await this.#connection.inspect(id, PATIENCE);
    if ((await this.#connection.inspect(random.id(), PATIENCE)) !== null) {
      tally.violated('an id that nobody has is known');
    }
    await this.#connection.sweep(PATIENCE);
    await pause(random.between(50, 150));
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
