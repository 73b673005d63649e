/**
 * A server over several lives, under clients that outlive it. Most of the time goes to long lives,
 * which are judged for drift and then stopped gracefully; short ones in between are killed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Connection, connect } from '../../dist/index.js';
import type { Random } from '../crash/random.ts';
import { freePort, ServerProcess } from '../crash/server.ts';
import { ClientProcess } from './client-process.ts';
import { CALLS_LOST, pause } from './load.ts';
import { Life } from './samples.ts';

/** Shorter lives are not judged: a server that has just started looks like one that drifts. */
const JUDGED_S = 30;
const WRAPPER = fileURLToPath(new URL('./server.mjs', import.meta.url));
const SESSIONS_MAX = 60;
const PROCESSES = 2;
const SHARDS = 2;
const SETTLE_MS = 3_000;
/** Samples in a long life, about; each costs a collection. */
const SAMPLES = 150;
const SAMPLE_MS_MIN = 200;
const SAMPLE_MS_MAX = 2_000;
const SHORT_MS_MIN = 1_500;
const SHORT_MS_MAX = 4_000;
/** How often clients are killed, on average. */
const CLIENT_KILL_MS = 8_000;
/** What lives get of the time: short ones up to a part, then a long one up to another. */
const PLAN_SHORT_RUN = [0.25, 1];
const PLAN_LONG_RUN = [0.08, 0.55, 0.65, 1];
const LONG_RUN_MS = 180_000;
const STOP_MS = 60_000;

export interface SoakOptions {
  readonly durationMs: number;
  /** What `--durability` takes, or `none` for sessions in memory only. */
  readonly durability: string;
  /** What each connection shall leave behind, to see the soak fail. */
  readonly leak: string;
}

export class Soak {
  readonly #options: SoakOptions;
  readonly #random: Random;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sessile-soak-'));
  readonly #started = performance.now();
  #port = 0;
  #server!: ServerProcess;
  #operator!: Connection;
  #clients: ClientProcess[] = [];
  readonly #gone: ClientProcess[] = [];
  readonly #problems: string[] = [];
  readonly counts = { lives: 0, kills: 0, stops: 0, clientsKilled: 0, connections: 0, samples: 0 };

  constructor(options: SoakOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** What was wrong, and nothing when all went well. */
  async run(): Promise<readonly string[]> {
    try {
      await this.#run();
    } catch (error) {
      this.#problems.push(`the soak could not go on: ${(error as Error).stack ?? error}`);
    } finally {
      await this.#cleanUp();
    }
    return this.problems;
  }

  get problems(): string[] {
    const all = [...this.#gone, ...this.#clients];
    return [...this.#problems, ...all.flatMap(({ violations }) => violations)];
  }

  /** The counts of all clients together. */
  get happened(): Record<string, number> {
    const sum: Record<string, number> = {};
    for (const { counts } of [...this.#gone, ...this.#clients]) {
      for (const [name, count] of Object.entries(counts)) sum[name] = (sum[name] ?? 0) + count;
    }
    return sum;
  }

  async #run(): Promise<void> {
    this.#port = await freePort(this.#random);
    await this.#start();
    this.#operator = await connect({ port: this.#port, reconnectMinMs: 2, reconnectMaxMs: 50 });
    for (let i = 0; i < PROCESSES; i++) this.#clients.push(this.#newClients());
    const { durationMs } = this.#options;
    const plan = durationMs < LONG_RUN_MS ? PLAN_SHORT_RUN : PLAN_LONG_RUN;
    for (const [index, part] of plan.entries()) {
      const until = this.#started + part * durationMs;
      if (index % 2 === 0) await this.#shortLives(until);
      else await this.#longLife(until, index < plan.length - 1);
      if (this.problems.length > 0) return;
    }
    await Promise.all(this.#clients.map((clients) => within(clients.stop(), 'the clients')));
    await this.#stop();
  }

  #newClients(): ClientProcess {
    const seed = this.#random.below(2 ** 32 - 1);
    return new ClientProcess({ port: this.#port, seed, sessionsMax: SESSIONS_MAX });
  }

  async #start(): Promise<void> {
    const { durability, leak } = this.#options;
    const options = {
      port: this.#port,
      shards: SHARDS,
      'sessions-max': SESSIONS_MAX,
      'segment-bytes-max': 1_048_576,
      ...(durability === 'none' ? {} : { 'data-dir': this.#folder, durability }),
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const env = leak === '' ? {} : { SESSILE_SOAK_LEAK: leak };
    this.#server = new ServerProcess(args, ['--expose-gc', WRAPPER], env);
    this.counts.lives += 1;
    if (await this.#server.listening) return;
    const { code, signal } = await this.#server.exited;
    throw new Error(`the server did not start (${code ?? signal}): ${this.#server.err}`);
  }

  /** Lives that are not long enough to be judged. */
  async #shortLives(until: number): Promise<void> {
    while (performance.now() < until && this.problems.length === 0) {
      const life = new Life(this.#server.child);
      const left = until - performance.now();
      const ms = Math.min(left, this.#random.between(SHORT_MS_MIN, SHORT_MS_MAX));
      await this.#live(life, performance.now() + ms, SAMPLE_MS_MAX);
      this.counts.connections += life.connections;
      await this.#endLife();
    }
  }

  async #longLife(until: number, hasNext: boolean): Promise<void> {
    const life = new Life(this.#server.child);
    const ms = (until - performance.now()) / SAMPLES;
    const everyMs = Math.min(SAMPLE_MS_MAX, Math.max(SAMPLE_MS_MIN, ms));
    // Long enough for the news of the last kill to have come.
    await this.#live(life, performance.now() + SETTLE_MS, everyMs);
    const lost = this.happened[CALLS_LOST];
    await this.#live(life, until, everyMs);
    if (this.problems.length > 0) return;
    if (this.happened[CALLS_LOST] !== lost) {
      this.#problems.push('the server has closed connections of clients that did nothing wrong');
    }
    const seconds = Math.round((life.samples.at(-1)?.ms ?? 0) / 1_000);
    const { samples, connections } = life;
    this.counts.connections += connections;
    const what = `${seconds} s, ${samples.length} samples, ${connections} connections`;
    console.log(`life ${this.counts.lives}: ${what}`);
    if (!life.isJudged && seconds >= JUDGED_S) {
      this.#problems.push(`a life of ${seconds} s gave too few samples to be judged`);
      return;
    }
    if (life.isJudged) console.log(life.table());
    if (seconds >= JUDGED_S) this.#problems.push(...life.problems());
    if (hasNext) await this.#endLife();
  }

  /** Samples a life until a time, and kills a process of clients now and then. */
  async #live(life: Life, until: number, everyMs: number): Promise<void> {
    while (performance.now() < until && this.problems.length === 0) {
      const next = performance.now() + everyMs;
      const stats = await this.#operator.stats({ timeoutMs: 20_000 });
      await this.#whileAlive(life.sample(Number(stats.requests) + Number(stats.calls)));
      this.counts.samples += 1;
      if (this.#random.below(CLIENT_KILL_MS) < everyMs) await this.#killClients();
      const left = Math.min(next, until) - performance.now();
      if (left > 0) await this.#whileAlive(pause(left));
    }
  }

  /** The server must not end by itself. */
  async #whileAlive(work: Promise<void>): Promise<void> {
    const ended = await Promise.race([work, this.#server.exited]);
    if (ended === undefined) return;
    const { code, signal } = ended;
    throw new Error(`the server ended with ${code ?? signal}: ${this.#server.err}`);
  }

  async #killClients(): Promise<void> {
    const [clients] = this.#clients.splice(this.#random.below(PROCESSES), 1);
    await clients.kill();
    this.#gone.push(clients);
    this.#clients.push(this.#newClients());
    this.counts.clientsKilled += 1;
  }

  /** Kills only what promises to lose nothing by it. */
  async #endLife(): Promise<void> {
    if (this.#options.durability !== 'commit' || this.#random.chance(20)) await this.#stop();
    else {
      await this.#server.end('SIGKILL');
      this.counts.kills += 1;
    }
    await this.#start();
  }

  async #stop(): Promise<void> {
    const { code, signal } = await within(this.#server.end('SIGTERM'), 'the server');
    this.counts.stops += 1;
    const { err } = this.#server;
    if (code !== 0) this.#problems.push(`SIGTERM ended with ${code ?? signal}: ${err}`);
    else if (err !== '') this.#problems.push(`the server said: ${err}`);
  }

  async #cleanUp(): Promise<void> {
    await Promise.all(this.#clients.map((clients) => clients.kill()));
    await this.#server?.end('SIGKILL');
    void this.#operator?.close().catch(() => {});
    if (this.problems.length > 0) console.error(`its files: ${this.#folder}`);
    else rmSync(this.#folder, { recursive: true });
  }
}

/** What does not end within a minute will not. */
function within<T>(work: Promise<T>, what: string): Promise<T> {
  const late = pause(STOP_MS).then(() => {
    throw new Error(`${what} did not come to an end`);
  });
  late.catch(() => {});
  return Promise.race([work, late]);
}
