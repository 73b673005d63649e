/**
 * A client of a simulated world that uses the real client library, and checks what it is told: each
 * reply is that of its own request, and what it has been told once stays so.
 */
import { SessileError } from '../../src/core/errors.ts';
import { type Connection, connect } from '../../src/transport/client/connection.ts';
import type { Session } from '../../src/transport/client/session.ts';
import type { Random } from './random.ts';
import { Thread } from './scheduler.ts';
import type { Body } from './service.ts';
import type { World } from './world.ts';

/** What a client may meet through no fault of the server's. */
const EXPECTED = new Set([
  'connection_closed',
  'request_timeout',
  'session_evicted',
  'sessions_exhausted',
  'server_busy',
  'shutting_down',
  'storage_failed',
  'rate_limited',
  'no_session',
  'expired',
  'request_in_flight',
  'failed',
  'too_large',
]);

/** What it may meet when a crash may have taken back what it was told. */
const EXPECTED_AFTER_LOSS = new Set([
  'request_gap',
  'request_stale',
  'request_mismatch',
  'session_too_high',
]);

/** After the faults have stopped a request may be refused this often before it must succeed. */
const LAST_TRIES_MAX = 200;
const LAST_TIMEOUT_MS = 30_000;

export class LibraryClient {
  readonly thread: Thread;
  isDone = false;
  /** What it waits for, to be told when it waits for ever. */
  doing = 'nothing';
  readonly #ids: Buffer[];
  /** Names of the operations that its worlds' service has. */
  readonly #operations: readonly string[];

  constructor(
    readonly world: World,
    readonly random: Random,
    readonly index: number,
  ) {
    this.thread = new Thread(`client ${index}`);
    const { ids, server, sleepsLong } = world.swarm;
    this.#ids = Array.from({ length: ids }, (_, i) => world.clientId(`client ${index}`, i));
    const fast = ['step', 'step', 'step', 'look', 'fail', 'bloat', 'live'];
    const slow = sleepsLong ? ['wait', 'wait'] : ['wait', 'wait', 'hang'];
    this.#operations = server.isPortable ? fast : [...fast, ...slow];
    world.machine.scheduler.turn(() => void this.#run(), this.thread);
  }

  async #run(): Promise<void> {
    try {
      while (!this.world.isQuiet) await this.#connected();
      await this.#last();
      this.isDone = true;
    } catch (error) {
      this.world.failed(error);
    }
  }

  /** Runs something that may be refused or cut off; anything else is a defect. */
  async #may<T>(doing: string, run: () => Promise<T>): Promise<T | undefined> {
    this.doing = doing;
    try {
      return await run();
    } catch (error) {
      const code = error instanceof SessileError ? error.code : '';
      if (EXPECTED.has(code)) return undefined;
      const { durability, isPortable } = this.world.swarm.server;
      const mayLose = durability === 'off' || durability === 'interval';
      // A request that was let go of while it executed has used up its number when it is resumed.
      if (!isPortable && code === 'request_mismatch') return undefined;
      if (mayLose && EXPECTED_AFTER_LOSS.has(code)) return undefined;
      this.world.log(`${doing}: ${String(error)}`);
      this.world.failed(error);
      return undefined;
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  #connect(timeoutMs: number): Promise<Connection> {
    return connect({
      connectTimeoutMs: 200,
      timeoutMs,
      reconnectMinMs: 1,
      reconnectMaxMs: 50,
      random: () => this.random.unit(),
    });
  }

  async #connected(): Promise<void> {
    const { random } = this;
    const timeoutMs = Math.round(random.scaled(5, 1_000));
    const connection = await this.#may('connect', () => this.#connect(timeoutMs));
    if (connection === undefined) return this.#sleep(random.unit() * 20);
    const rounds = random.between(1, 8);
    for (let i = 0; i < rounds && !this.world.isQuiet; i++) await this.#round(connection);
    if (this.world.isQuiet) await this.#may('the same connection', () => this.#served(connection));
    this.doing = 'close of the connection';
    await connection.close();
  }

  /** A request that nothing stands in the way of. It may be refused, but not go unanswered. */
  async #served(connection: Connection): Promise<boolean> {
    const timeoutMs = LAST_TIMEOUT_MS;
    try {
      const session = await connection.session({ id: this.#ids[0], ttlMs: null, timeoutMs });
      await this.#checked(session, 'step', timeoutMs);
      await session.close({ timeoutMs });
      return true;
    } catch (error) {
      if (error instanceof SessileError && error.code === 'request_timeout') {
        this.world.oracle.fail(`${this.thread.name} waits for ever: ${error.message}`);
      }
      // All places are taken by sessions that live on, and the server does not evict.
      const isRefused = error instanceof SessileError && error.code === 'sessions_exhausted';
      if (isRefused && this.world.swarm.server.onFull === 'reject') return true;
      throw error;
    }
  }

  /** One session for a while, or something beside sessions. */
  async #round(connection: Connection): Promise<void> {
    const { random } = this;
    if (random.chance(0.2)) return this.#beside(connection);
    const id = random.pick(this.#ids);
    const session = await this.#register(connection, id);
    if (session === undefined) return this.#sleep(random.unit() * 5);
    const requests = random.between(1, 12);
    const pending: Promise<void>[] = [];
    for (let i = 0; i < requests && session.state === 'active'; i++) {
      const done = this.#request(session);
      if (random.chance(0.3)) pending.push(done);
      else await done;
      if (random.chance(0.2)) await this.#call(connection, id);
      if (random.chance(0.1)) await this.#sleep(random.scaled(0.1, 200));
    }
    await Promise.all(pending);
    const timeoutMs = random.chance(0.5) ? Math.round(random.scaled(1, 50)) : undefined;
    if (random.chance(0.3)) await this.#may('close', () => session.close({ timeoutMs }));
    else await this.#may('detach', () => session.detach({ timeoutMs }));
  }

  #register(connection: Connection, id: Buffer): Promise<Session | undefined> {
    const { random } = this;
    const ttlMs = random.chance(0.5) ? Math.round(random.scaled(2, 3_000)) : undefined;
    const scope = random.chance(0.15) ? ('connection' as const) : undefined;
    const burst = random.between(1, 5);
    const rate = random.chance(0.2) ? { perSecond: 200, burst } : undefined;
    return this.#may('register', () => connection.session({ id, ttlMs, scope, rate }));
  }

  async #request(session: Session): Promise<void> {
    const operation = this.random.pick(this.#operations);
    await this.#may(operation, () => this.#checked(session, operation));
  }

  async #checked(session: Session, operation: string, lastMs?: number): Promise<void> {
    const body = this.#body(operation);
    const { random } = this;
    // Often too short for the answer, which comes when nobody waits for it any more.
    const isHasty = lastMs === undefined && random.chance(0.3);
    const timeoutMs = isHasty ? Math.round(random.scaled(1, 30)) : lastMs;
    const reply = await session.request(operation, body, { timeoutMs });
    if (!Array.isArray(reply) || reply[0] !== body[0]) {
      this.world.oracle.fail(`${operation} ${body[0]} is answered with ${JSON.stringify(reply)}`);
    }
  }

  #body(operation: string): Body {
    const { random, world } = this;
    const value = operation === 'live' ? Math.round(random.scaled(2, 3_000)) : random.below(30);
    return [world.nonce(), random.below(world.swarm.paddingMax), value];
  }

  async #call(connection: Connection, id: Buffer): Promise<void> {
    const operation = this.random.pick(['poke', 'look', 'glance']);
    const body = this.#body(operation);
    await this.#may(operation, async () => {
      const reply = await connection.call(id, operation, body);
      if (!Array.isArray(reply) || reply[0] !== body[0]) {
        this.world.oracle.fail(`${operation} ${body[0]} gives ${JSON.stringify(reply)}`);
      }
    });
  }

  async #beside(connection: Connection): Promise<void> {
    const { random } = this;
    const what = random.below(5);
    if (what === 0) await this.#may('stats', () => connection.stats());
    if (what === 1) await this.#may('list', () => connection.list({ limit: 3 }));
    if (what === 2) await this.#may('sweep', () => connection.sweep());
    if (what === 3) await this.#may('ping', () => connection.ping());
    if (what === 4) await this.#may('remove', () => connection.remove(random.pick(this.#ids)));
  }

  /** The faults have stopped: from now on it must get what it asks for. */
  async #last(): Promise<void> {
    for (let tries = 0; tries < LAST_TRIES_MAX; tries++) {
      const isServed = await this.#may('last', () => this.#lastRequest());
      if (isServed === true) return;
      await this.#sleep(this.random.scaled(1, 500));
    }
    this.world.oracle.fail(`${this.thread.name} is not served after the faults have stopped`);
  }

  async #lastRequest(): Promise<boolean> {
    const connection = await this.#connect(LAST_TIMEOUT_MS);
    try {
      return await this.#served(connection);
    } finally {
      await connection.close();
    }
  }
}
