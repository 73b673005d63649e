/**
 * The hard limit and the exact victim over shards: 32 sessions on four shards behave as on one,
 * and as a list that is kept in the order of commits.
 */
import { expect, test } from 'vitest';
import type { EngineOptions } from '../../dist/embedding/options.js';
import type { Engine } from '../../dist/engine.js';
import * as h from './helpers.ts';

const SESSIONS_MAX = 32;
const IDS = 64;
const STEPS = 600;

/** What an engine must do, as simply as it can be said. */
class NaiveSessions {
  /** The live ids in the order of their last commits, with the last request of each. */
  readonly live = new Map<number, number>();
  evictions = 0;

  register(id: number): string {
    if (this.live.has(id)) return `resumed ${this.live.get(id)}`;
    if (this.live.size === SESSIONS_MAX) {
      const [oldest] = this.live.keys();
      this.live.delete(oldest);
      this.evictions += 1;
    }
    this.live.set(id, 0);
    return 'registered';
  }

  commit(id: number, sequenced: boolean): string {
    const request = this.live.get(id);
    if (request === undefined) return 'gone';
    this.live.delete(id);
    this.live.set(id, request + (sequenced ? 1 : 0));
    return `ok ${this.live.get(id)}`;
  }

  close(id: number): string {
    return this.live.delete(id) ? 'closed' : 'gone';
  }
}

/** One engine with what its clients know: session and last request of each id. */
class Clients {
  readonly #known = new Map<number, { session: number; request: number }>();

  constructor(readonly engine: Engine) {}

  async register(id: number): Promise<string> {
    const { session, request, resumed } = await this.engine.register(h.id(id));
    this.#known.set(id, { session, request });
    return resumed ? `resumed ${request}` : 'registered';
  }

  async request(id: number): Promise<string> {
    const known = this.#known.get(id) ?? { session: 1, request: 0 };
    try {
      await this.engine.request(h.id(id), known.session, known.request + 1, 'put', {});
    } catch (error) {
      return (error as Error).name === 'SessionEvictedError' ? 'gone' : String(error);
    }
    known.request += 1;
    return `ok ${known.request}`;
  }

  /** Neither a duplicate nor a refusal makes a session younger. */
  async repeat(id: number): Promise<void> {
    const known = this.#known.get(id);
    if (known === undefined) return;
    const { session, request } = known;
    await this.engine.request(h.id(id), session, request, 'put', {}).catch(() => {});
    await this.engine.request(h.id(id), session, request + 2, 'put', {}).catch(() => {});
  }

  async call(id: number): Promise<string> {
    try {
      await this.engine.call(h.id(id), 'get');
    } catch (error) {
      return (error as { code: string }).code === 'no_session' ? 'gone' : String(error);
    }
    return `ok ${this.#known.get(id)?.request}`;
  }

  async close(id: number): Promise<string> {
    const before = this.engine.sessions;
    await this.engine.close(h.id(id));
    return this.engine.sessions < before ? 'closed' : 'gone';
  }
}

async function step(model: NaiveSessions, clients: Clients, kind: number, id: number) {
  if (kind < 4) return [model.register(id), await clients.register(id)];
  if (kind < 7) return [model.commit(id, true), await clients.request(id)];
  if (kind < 8) return [model.commit(id, false), await clients.call(id)];
  if (kind < 9) return [model.close(id), await clients.close(id)];
  await clients.repeat(id);
  return [0, 0];
}

/** The different codes with which promises were rejected. */
function refusals(settled: PromiseSettledResult<unknown>[]): unknown[] {
  const codes = settled.map((s) => (s.status === 'rejected' ? (s.reason.code ?? s.reason) : 'ok'));
  return [...new Set(codes)].filter((code) => code !== 'ok');
}

const WAYS: EngineOptions[] = [
  { shards: 0 },
  { shards: 1, run: 'worker' },
  { shards: 4, run: 'worker' },
  { shards: 4, run: 'direct' },
  { shards: 4, run: 'auto' },
];

test.each(WAYS)('a full engine with %j evicts as a list in commit order does', async (way) => {
  const random = new h.Random(`exact eviction ${JSON.stringify(way)}`);
  const engine = await h.startEngine({ ...way, sessionsMax: SESSIONS_MAX });
  const model = new NaiveSessions();
  const clients = new Clients(engine);
  for (let i = 0; i < STEPS; i++) {
    const kind = i < IDS ? 0 : random.below(10);
    const id = i < IDS ? i + 1 : 1 + random.below(IDS);
    const [expected, actual] = await step(model, clients, kind, id);
    expect(actual, `step ${i}, kind ${kind}, id ${id}`).toBe(expected);
    expect(engine.sessions).toBe(model.live.size);
  }
  // The history really filled the engine again and again.
  expect(model.evictions).toBeGreaterThan(80);
  for (let id = 1; id <= IDS; id++) {
    const known = await clients.request(id);
    expect(known.startsWith('ok'), `id ${id} at the end`).toBe(model.live.has(id));
  }
  await h.checkTables(engine);
});

test.each(WAYS)('registers of %j that all come at once stay within the limit', async (way) => {
  const random = new h.Random(`concurrent registers ${JSON.stringify(way)}`);
  const engine = await h.startEngine({ ...way, sessionsMax: SESSIONS_MAX });
  let most = 0;
  const under: Promise<unknown>[] = [];
  for (let i = 0; i < 1500; i++) {
    under.push(engine.register(h.id(1 + random.below(IDS * 8))));
    most = Math.max(most, engine.sessions);
    if (i % 100 === 0) await h.nextTurn();
  }
  const done = Promise.allSettled(under);
  let settled = false;
  void done.then(() => {
    settled = true;
  });
  // A place too many may be taken for a moment only, so this looks without a pause.
  while (!settled) {
    most = Math.max(most, engine.sessions);
    await h.nextTurn();
  }
  expect(refusals(await done)).toEqual([]);
  expect(most).toBe(SESSIONS_MAX);
  // Two registers of one id at once may evict for both, and then only one takes a place.
  const { sessions } = engine;
  expect(sessions).toBeGreaterThan(SESSIONS_MAX / 2);
  await h.checkTables(engine);
  let live = 0;
  for (let n = 1; n <= IDS * 8; n++) {
    if (await engine.call(h.id(n), 'get').then(Boolean, () => false)) live += 1;
  }
  expect(live).toBe(sessions);
});

test.each(WAYS)('registers of %j fight for the only place, and each gets it once', async (way) => {
  const engine = await h.startEngine({ ...way, sessionsMax: 1 });
  const under: Promise<{ resumed: boolean }>[] = [];
  for (let n = 1; n <= 40; n++) under.push(engine.register(h.id(n)));
  expect(refusals(await Promise.allSettled(under))).toEqual([]);
  for (const { resumed } of await Promise.all(under)) expect(resumed).toBe(false);
  expect(engine.sessions).toBe(1);
  await h.checkTables(engine);
});
