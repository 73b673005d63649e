/**
 * What the tests of the engine share: seeded randomness, ids, refusals as values, and a look at
 * the tables behind an engine. Everything comes from the built package.
 */
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import { Arena } from '../../dist/core/arena.js';
import { checkInvariants } from '../../dist/core/invariants.js';
import { Ledger } from '../../dist/core/ledger.js';
import { Message } from '../../dist/core/message.js';
import { SessionTable } from '../../dist/core/session-table.js';
import { setId, setSession } from '../../dist/embedding/encoding.js';
import type { EngineOptions } from '../../dist/embedding/options.js';
import { Engine } from '../../dist/engine.js';
import type { ScopedSession } from '../../dist/workers/orphans.js';

/** The word of an arena that names who runs the shard. */
const OWNER_WORD = 32;
/** A runner number that no engine of these tests gives to anybody. */
const OTHER_RUNNER = 99;
/** How many turns a wait looks in each, before it leaves a pause in between. */
const QUICK_TURNS = 50;

/** The client id that stands for a small number above 0. */
export function id(number: number): string {
  return number.toString(16).padStart(32, '0');
}

/** An engine that is stopped when the test ends. */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const engine = await Engine.start({ sessionsMax: 64, ...options });
  onTestFinished(() => engine.stop());
  return engine;
}

/** The path of a file beside these tests. */
export function beside(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** Which shard holds an id. */
export function shardOfId(engine: Engine, client: string): number {
  const m = new Message();
  setId(m, client);
  return engine.router.portOf(m).table.arena.shard;
}

/** The first `count` ids from `from` on that live in one shard. */
export function idsOfShard(engine: Engine, shard: number, count: number, from = 1): string[] {
  const ids: string[] = [];
  for (let n = from; ids.length < count; n++) {
    if (shardOfId(engine, id(n)) === shard) ids.push(id(n));
  }
  return ids;
}

/** A session as its connection remembers it, to be ended with it. */
export function scopedSession(client: string, session: number): ScopedSession {
  const m = new Message();
  setId(m, client);
  setSession(m, session);
  const { id0, id1, id2, id3, sessionLow, sessionHigh } = m;
  return { id0, id1, id2, id3, sessionLow, sessionHigh };
}

/** What a promise rejects with; fails the test if it resolves, or if it does neither. */
export async function failure(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  const { status, value } = await outcome(promise);
  if (status === 'rejected') return value as Record<string, unknown>;
  throw new Error(`it should have been refused, but gave ${inspect(value, { depth: 1 })}`);
}

/** What a promise resolves with; fails the test if it rejects, or if it does neither. */
export async function success<T>(promise: Promise<T>): Promise<T> {
  const { status, value } = await outcome(promise);
  if (status === 'rejected') throw value;
  return value as T;
}

async function outcome(promise: Promise<unknown>): Promise<{ status: string; value: unknown }> {
  let found: { status: string; value: unknown } | undefined;
  promise.then(
    (value) => {
      found = { status: 'resolved', value };
    },
    (value) => {
      found = { status: 'rejected', value };
    },
  );
  // Far more than what takes microseconds needs: only a lost answer takes so long.
  const end = performance.now() + 20_000;
  await until(() => found !== undefined || performance.now() > end);
  if (found === undefined) throw new Error('a promise was never settled: its answer is lost');
  return found;
}

/** What a function throws; fails the test if it returns. */
export function thrown(run: () => unknown): Record<string, unknown> {
  let value: unknown;
  try {
    value = run();
  } catch (error) {
    return error as Record<string, unknown>;
  }
  throw new Error(`it should have been refused, but gave ${inspect(value, { depth: 1 })}`);
}

/** Waits until a condition that other threads bring about holds. The test's own limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn < QUICK_TURNS) await nextTurn();
    // Whoever brings it about needs the processor that looking without a pause would take.
    else await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Waits until the clock has passed so many milliseconds: for sessions to expire. */
export async function clockPast(ms: number): Promise<void> {
  const end = performance.now() + ms;
  await until(() => performance.now() > end);
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Takes a shard as another thread would, so that nobody else can run it until `release`. */
export function holdShard(engine: Engine, shard: number): { release(): void } {
  const words = new Int32Array(engine.memory.arenas[shard]);
  // A worker lets go after microseconds, so this ends.
  while (Atomics.compareExchange(words, OWNER_WORD, 0, OTHER_RUNNER) !== 0);
  return { release: () => Atomics.store(words, OWNER_WORD, 0) };
}

/** Checks what must hold of every table of an engine, and that the ledger counts them right. */
export async function checkTables(engine: Engine): Promise<void> {
  const ledger = new Ledger(engine.memory.ledger);
  let live = 0;
  for (const [shard, memory] of engine.memory.arenas.entries()) {
    const words = new Int32Array(memory);
    await until(() => Atomics.compareExchange(words, OWNER_WORD, 0, OTHER_RUNNER) === 0);
    try {
      const table = new SessionTable(new Arena(memory), ledger, new Float64Array(1), OTHER_RUNNER);
      checkInvariants(table);
      live += words[64];
    } finally {
      Atomics.store(new Int32Array(engine.memory.arenas[shard]), OWNER_WORD, 0);
    }
  }
  expect(live).toBe(engine.sessions);
}

/** A seeded generator (mulberry32). The seed is fixed and printed; SEED sets another one. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(name: string) {
    this.seed = Number(process.env.SEED ?? 7377) >>> 0;
    this.#state = this.seed;
    console.log(`${name}: SEED=${this.seed}`);
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }
}

/** Whether a function returns rather than throws. */
export function isDone(run: () => unknown): boolean {
  try {
    run();
  } catch {
    return false;
  }
  return true;
}
