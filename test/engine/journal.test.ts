/** An engine with a data directory: what it was when it stopped, it is when it starts again. */
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { EngineOptions } from '../../dist/embedding/options.js';
import { Engine } from '../../dist/engine.js';
import * as h from './helpers.ts';
import { AttachedThread } from './thread.ts';

const counter = h.beside('./services/counter.mjs');
const fatal = h.beside('./services/fatal.mjs');
const gates = h.beside('./services/gates.mjs');

const A = h.id(1);
const B = h.id(2);
const C = h.id(3);

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sessile-engine-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A directory and the engines over it, one after the other. */
class Life {
  readonly dataDir = folder();
  engine!: Engine;

  constructor(readonly options: EngineOptions) {}

  async start(options: EngineOptions = {}): Promise<Engine> {
    const { dataDir } = this;
    this.engine = await h.startEngine({ ...this.options, ...options, dataDir });
    return this.engine;
  }

  /** Stops, and starts again. */
  async again(options: EngineOptions = {}): Promise<Engine> {
    await this.engine.stop();
    return this.start(options);
  }

  segments(shard: number): string[] {
    const own = readdirSync(this.dataDir).filter((name) => name.includes(`-s00${shard}-`));
    return own.sort().map((name) => join(this.dataDir, name));
  }
}

async function live(engine: Engine): Promise<string[]> {
  const { sessions } = await engine.list({ limit: 100 });
  return sessions.map(({ id }) => id).sort();
}

describe.each([0, 2])('an engine of %i shards, started again', (shards) => {
  test('has its sessions, their data, numbers and stored replies', async () => {
    const life = new Life({ shards });
    const first = await life.start();
    expect(first.recovery).toMatchObject({ folder: life.dataDir, sessions: 0, tornBytes: 0 });
    const { session } = await first.register(A, { ttlMs: null, data: { from: 'register' } });
    await first.request(A, session, 1, 'merge', { n: 1 });
    const reply = await first.request(A, session, 2, 'get');
    await first.call(A, 'increment', ['n', 1]);
    await first.register(B, { ttlMs: 50_000, rate: { perSecond: 5, burst: 7 } });
    const c = await first.register(C);
    await first.close(C);
    const engine = await life.again();
    expect(engine.recovery).toMatchObject({ sessions: 2, evicted: 0, disconnected: 0 });
    expect(await live(engine)).toEqual([A, B]);
    expect(await engine.request(A, session, 2, 'get')).toEqual({ ...reply, replayed: true });
    const mismatch = await h.failure(engine.request(A, session, 2, 'put', {}));
    expect(mismatch).toMatchObject({ code: 'request_mismatch' });
    const stale = await h.failure(engine.request(A, session, 1, 'merge', { n: 1 }));
    expect(stale).toMatchObject({ code: 'request_stale' });
    expect(await engine.register(A)).toMatchObject({ session, request: 2, resumed: true });
    expect(await engine.inspect(A)).toMatchObject({ ttlMs: null });
    const data = { from: 'register', n: 2 };
    expect(await engine.request(A, session, 3, 'get')).toMatchObject({ body: [3, data] });
    expect(await engine.inspect(B)).toMatchObject({
      ttlMs: 50_000,
      rate: { perSecond: 5, burst: 7 },
    });
    expect((await engine.register(C)).session).toBeGreaterThan(c.session);
    expect(await h.failure(engine.request(C, c.session, 1, 'get'))).toMatchObject({
      name: 'SessionEvictedError',
      reason: 'session_too_low',
    });
    await h.checkTables(engine);
  });

  test('replays what a view and a two-phase commit have stored', async () => {
    const life = new Life({ shards });
    const view = (await life.start()).view();
    const a = view.register(A);
    const b = view.register(B);
    view.commit(view.begin(A, a.session, 1, 7, 'pay'), { paid: [5] }, 'conflict');
    view.abort(view.begin(A, a.session, 2, 7, 'given up'));
    view.abort(view.begin(B, b.session, 1));
    view.request(B, b.session, 1, 'put', { n: 1 });
    view.call(B, 'increment', ['n', 1]);
    const next = await life.again();
    const found = next.view();
    expect(found.begin(A, a.session, 1, 7, 'pay')).toEqual({
      verdict: 'replay',
      reply: { status: 'conflict', body: { paid: [5] }, replayed: true },
    });
    found.commit(found.begin(A, a.session, 2, 7, 'another'), 'done');
    expect(found.request(B, b.session, 1, 'put', { n: 1 }).replayed).toBe(true);
    expect(found.request(B, b.session, 2, 'get').body).toEqual([2, { n: 2 }]);
    await h.checkTables(next);
  });

  test('has what an attached thread has done', async () => {
    const life = new Life({ shards, service: counter });
    const thread = await AttachedThread.start(await life.start());
    expect(await thread.run('own', { id: A, count: 50 })).toBe(50);
    await thread.end();
    const engine = await life.again();
    const { session } = await engine.register(A);
    expect(await engine.request(A, session, 50, 'increment', 50)).toMatchObject({
      body: 50,
      replayed: true,
    });
    expect(await engine.request(A, session, 51, 'increment')).toMatchObject({ body: 51 });
  });

  test('evicts in the order in which sessions committed before', async () => {
    // So many that some of them committed within the same millisecond, in batches of their own.
    const count = 48;
    const life = new Life({ shards, sessionsMax: count });
    const first = await life.start();
    const ids = Array.from({ length: count }, (_, i) => h.id(i + 1));
    const { session } = await first.register(ids[0]);
    for (const id of ids.slice(1)) await first.register(id);
    await first.request(ids[0], session, 1, 'put', {});
    const order = [...ids.slice(1), ids[0]];
    const engine = await life.again();
    for (const [i, oldest] of order.entries()) {
      expect(await engine.inspect(oldest), oldest).not.toBeNull();
      await engine.register(h.id(1_000 + i));
      expect(await engine.inspect(oldest), oldest).toBeNull();
    }
    await h.checkTables(engine);
  });

  test('does not give a rate limit its burst once more', async () => {
    const life = new Life({ shards, rate: { perSecond: 1, burst: 1_000 } });
    const first = await life.start();
    await first.register(A);
    // The limit refills by one a second: far more are taken than that while this runs.
    for (let n = 0; n < 900; n++) await first.call(A, 'touch');
    const engine = await life.again();
    const calls = Array.from({ length: 900 }, () => engine.call(A, 'touch'));
    const refused = (await Promise.allSettled(calls)).filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(700);
  });

  test('has what operations that return promises committed, and nothing else of them', async () => {
    const life = new Life({ shards, service: gates });
    const first = await life.start();
    const [a, b] = h.idsOfShard(first, 0, 2);
    const { session } = await first.register(a);
    await first.register(b);
    const waiting = first.request(a, session, 1, 'wait', 'gate');
    await first.call(b, 'open', 'gate');
    const reply = await waiting;
    const failed = first.request(a, session, 2, 'waitAndFail', 'other');
    await first.call(b, 'open', 'other');
    expect(await failed).toMatchObject({ status: 'failed' });
    const engine = await life.again();
    expect(reply).toMatchObject({ body: { n: 1 } });
    expect(await engine.call(a, 'read')).toMatchObject({ body: { n: 1 } });
    const again = await engine.request(a, session, 2, 'waitAndFail', 'other');
    expect(again).toMatchObject({ status: 'failed', replayed: true });
  });

  test('has everything with many small segments, most of which were cleaned', async () => {
    const life = new Life({ shards, segmentBytesMax: 4_096 });
    const parts: number[] = [];
    const first = await life.start();
    const sessions: number[] = [];
    for (let n = 1; n <= 8; n++) sessions.push((await first.register(h.id(n))).session);
    for (let round = 1; round <= 40; round++) {
      const puts = sessions.map((session, i) =>
        first.request(h.id(i + 1), session, round, 'put', { round, pad: 'x'.repeat(500) }),
      );
      await Promise.all(puts);
    }
    const engine = await life.again({ onRecoveryProgress: (part) => parts.push(part) });
    expect(Number(/(\d+)\.log$/.exec(life.segments(0)[0])?.[1])).toBeGreaterThan(1);
    expect(parts.length).toBe(engine.recovery?.segments);
    expect(parts).toEqual([...parts].sort((a, b) => a - b));
    expect(parts.at(-1)).toBe(1);
    for (const [i, session] of sessions.entries()) {
      const found = await engine.request(h.id(i + 1), session, 41, 'get');
      expect(found.body).toMatchObject([40, { round: 40 }]);
    }
  });
});

describe.each(['worker', 'auto'] as const)('workers that die, run %s', (run) => {
  test('lose nothing that was acknowledged, whatever they were at', async () => {
    const life = new Life({ shards: 2, run, service: fatal });
    const first = await life.start();
    const ids = [...h.idsOfShard(first, 0, 2), ...h.idsOfShard(first, 1, 2)];
    const sessions: number[] = [];
    for (const id of ids) sessions.push((await first.register(id)).session);
    const replies = new Map<string, unknown>();
    for (let n = 1; n <= 20; n++) {
      for (const [i, id] of ids.entries()) {
        const how = n === 7 && i === 0 ? 'die' : n === 14 && i === 2 ? 'dieLater' : 'add';
        replies.set(id, await h.success(first.request(id, sessions[i], n, how, n)));
      }
    }
    const engine = await life.again();
    for (const [i, id] of ids.entries()) {
      const again = await engine.request(id, sessions[i], 20, 'add', 20);
      expect(again).toEqual({ ...(replies.get(id) as object), replayed: true });
      const n = i === 0 || i === 2 ? 19 : 20;
      expect(await engine.call(id, 'get')).toMatchObject({ body: { n, wrong: 0 } });
    }
    await h.checkTables(engine);
  });

  test('are ended from outside under load', async () => {
    const life = new Life({ shards: 2, run, service: counter, segmentBytesMax: 8_192 });
    const first = await life.start();
    const random = new h.Random(`journal, deaths, ${run}`);
    const ids = Array.from({ length: 8 }, (_, i) => h.id(i + 1));
    const sessions: number[] = [];
    for (const id of ids) sessions.push((await first.register(id)).session);
    let underWay = ids.length;
    const replies = new Map<string, unknown>();
    const callers = ids.map(async (id, i) => {
      let counted = 0;
      for (let n = 1; n <= 150; n++) {
        const { status, body } = await h.success(first.request(id, sessions[i], n, 'increment', n));
        // What a worker was executing when it died has failed, and changed nothing.
        if (status !== 'failed') expect([status, body]).toEqual(['ok', ++counted]);
        replies.set(id, { status, body, replayed: true });
      }
      underWay -= 1;
    });
    for (let deaths = 0; deaths < 2 && underWay > 0; deaths++) {
      const known = new Set(first.threads);
      for (let turns = 50 + random.below(400); turns > 0; turns--) await h.nextTurn();
      await first.threads[random.below(first.threads.length)].terminate();
      await h.until(() => first.threads.some((thread) => !known.has(thread)) || underWay === 0);
    }
    await Promise.all(callers);
    const engine = await life.again();
    for (const [i, id] of ids.entries()) {
      const again = await engine.request(id, sessions[i], 150, 'increment', 150);
      expect(again).toEqual(replies.get(id));
    }
    await h.checkTables(engine);
  });
});

describe('a data directory', () => {
  test.each([0, 2])('is refused to a second engine of the process, %i shards', async (shards) => {
    const life = new Life({ shards });
    const first = await life.start();
    const { dataDir } = life;
    const refused = await h.failure(Engine.start({ shards, dataDir }));
    expect(refused).toMatchObject({ name: 'SessileError', code: 'storage_locked' });
    await first.register(A);
    const engine = await life.again();
    expect(await live(engine)).toEqual([A]);
  });

  test('is let go of by a start that fails', async () => {
    const life = new Life({ shards: 0, dataBytesMax: 512 });
    const { dataDir } = life;
    const first = await life.start();
    await first.register(A, { data: { pad: 'x'.repeat(300) } });
    await first.stop();
    const small = await h.failure(Engine.start({ shards: 0, dataDir, dataBytesMax: 64 }));
    expect(small).toMatchObject({ name: 'InvalidOptionError', option: 'dataBytesMax' });
    const manifest = join(dataDir, 'sessile.json');
    const text = readFileSync(manifest);
    for (const [wrong, code] of [
      ['{}', 'storage_corrupt'],
      [text.toString().replace('"format": 1', '"format": 2'), 'storage_format'],
    ]) {
      writeFileSync(manifest, wrong);
      expect(await h.failure(Engine.start({ shards: 0, dataDir }))).toMatchObject({ code });
    }
    rmSync(manifest);
    const headless = await h.failure(Engine.start({ shards: 0, dataDir }));
    expect(headless).toMatchObject({ code: 'storage_corrupt' });
    writeFileSync(manifest, text);
    expect(await live(await life.start())).toEqual([A]);
  });

  test.each([
    [0, 2],
    [2, 0],
    [1, 3],
    [3, 2],
  ])('of %i shards serves an engine of %i', async (before, after) => {
    const life = new Life({ shards: before });
    const first = await life.start();
    const ids = Array.from({ length: 20 }, (_, i) => h.id(i + 1));
    const sessions: number[] = [];
    for (const id of ids) sessions.push((await first.register(id)).session);
    for (const [i, id] of ids.entries()) await first.request(id, sessions[i], 1, 'put', { i });
    const engine = await life.again({ shards: after });
    expect(engine.recovery).toMatchObject({ sessions: 20, evicted: 0 });
    for (const [i, id] of ids.entries()) {
      const again = await engine.request(id, sessions[i], 1, 'put', { i });
      expect(again).toMatchObject({ body: 1, replayed: true });
      expect(await engine.request(id, sessions[i], 2, 'get')).toMatchObject({ body: [1, { i }] });
    }
    const late = await engine.register(h.id(100));
    expect(late.session).toBeGreaterThan(Math.max(...sessions));
    await h.checkTables(engine);
    expect(await live(await life.again({ shards: before }))).toHaveLength(21);
  });

  test('whose shards were full at different times serves fewer shards', async () => {
    const life = new Life({ shards: 2, sessionsMax: 8 });
    const first = await life.start();
    const late = h.idsOfShard(first, 0, 8);
    for (const id of [...h.idsOfShard(first, 1, 8), ...late]) await first.register(id);
    const engine = await life.again({ shards: 1 });
    expect(engine.recovery).toMatchObject({ sessions: 8, evicted: 0 });
    expect(await live(engine)).toEqual([...late].sort());
  });

  test('that held more sessions once serves an engine that allows fewer, twice', async () => {
    const life = new Life({ shards: 0, sessionsMax: 8 });
    const first = await life.start();
    for (let n = 1; n <= 8; n++) await first.register(h.id(n));
    for (let n = 1; n <= 6; n++) await first.close(h.id(n));
    for (let starts = 0; starts < 2; starts++) {
      const engine = await life.again({ sessionsMax: 4 });
      expect(engine.recovery).toMatchObject({ sessions: 2, evicted: 0 });
      expect(await live(engine)).toEqual([h.id(7), h.id(8)]);
    }
  });

  test('with a register, but not the end of the session that it evicted', async () => {
    const life = new Life({ shards: 2, sessionsMax: 4 });
    const first = await life.start();
    const old = h.idsOfShard(first, 0, 4);
    const [late] = h.idsOfShard(first, 1, 1);
    // Long enough for the segments not to be worth cleaning.
    const data = { pad: 'x'.repeat(300) };
    for (const id of old) await first.register(id, { data });
    const second = await life.again();
    const segment = life.segments(0).at(-1) as string;
    const { size } = statSync(segment);
    await second.register(late);
    await second.stop();
    // As if the process had ended between the syncs of the two logs.
    truncateSync(segment, size);
    for (const evicted of [1, 0]) {
      const engine = await life.again();
      expect(engine.recovery).toMatchObject({ sessions: 4, evicted });
      expect(await live(engine)).toEqual([...old.slice(1), late].sort());
      await h.checkTables(engine);
    }
  });
});
