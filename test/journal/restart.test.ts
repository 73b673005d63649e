/**
 * What a restart may change: the number of shards, the limits, the time of day.
 */
import { expect, test } from 'vitest';
import { Admission, Verdict } from '../../src/core/codes.ts';
import { InvalidOptionError } from '../../src/core/errors.ts';
import { RegisterFlag } from '../../src/core/message.ts';
import * as h from '../core/helpers.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { type Session, sessionsOf } from './oracle.ts';
import { fixSeeds, newWorld, Rig, type RigOptions, type World } from './rig.ts';
import { Workload } from './workload.ts';

/** A directory on a machine whose engine can be started again and again. */
class Machine {
  disk = new FaultyDisk();
  readonly world: World = newWorld();
  rig: Rig;

  constructor(readonly options: RigOptions = {}) {
    this.rig = new Rig(this.disk, this.world, options);
    fixSeeds(this.disk);
    this.restart();
  }

  /** Stops with all on disk, lets time pass, and starts with other options. */
  restart(options: RigOptions = {}, passedMs = 0): Rig {
    this.rig.flush();
    this.disk = this.disk.copy();
    this.world.ms += passedMs;
    const originMs = this.world.ms - 33.5;
    this.rig = new Rig(this.disk, this.world, { ...this.options, ...options, originMs });
    h.checkShards(this.rig.tables);
    return this.rig;
  }

  pass(ms: number): void {
    this.world.ms += ms;
    this.rig.tick();
  }

  open(id: number, ttlMs: number): void {
    const { table } = this.rig.shardOf(id);
    h.open(table, id, ttlMs);
    this.rig.flush();
  }

  get ids(): number[] {
    return this.sessions.map(({ id }) => id);
  }

  /** All sessions in the order of eviction. */
  get sessions(): Session[] {
    const all = this.rig.tables.flatMap((table) => sessionsOf(this.rig, table));
    return all.sort((a, b) => a.committedAt - b.committedAt || a.commit - b.commit);
  }

  expiresAt(id: number): number {
    return this.sessions.find((session) => session.id === id)!.expiresAt;
  }

  /** A call that changes nothing but times. */
  touch(id: number, touches = true): void {
    const { table } = this.rig.shardOf(id);
    expect(table.beginCall(h.message(table, { id }))).toBe(Verdict.EXECUTE);
    h.commitCall(table, table.slot, undefined, touches);
    this.rig.flush();
  }
}

test('sessions that ended with their connection leave room in the log for as many others', () => {
  const machine = new Machine({ sessionsMax: 4 });
  const flags = RegisterFlag.CONNECTION;
  for (let round = 0; round < 3; round++) {
    for (let id = 1; id <= 4; id++) {
      const { table } = machine.rig.shards[0];
      expect(h.register(table, { id: round * 10 + id, flags })).toBe(Admission.ADMITTED);
      machine.rig.flush();
    }
    expect(machine.restart().recovered).toMatchObject({ sessions: 0, disconnected: 4 });
  }
});

test('an eviction that one shard lost and a register that another kept leave the limit', () => {
  const machine = new Machine({ shards: 2, sessionsMax: 4 });
  const { rig } = machine;
  const [first, second] = rig.shards;
  const idsOf = (shard: typeof first): number[] => {
    return Array.from({ length: 40 }, (_, id) => id + 1).filter((id) => rig.shardOf(id) === shard);
  };
  const ids = [idsOf(first)[0], idsOf(first)[1], idsOf(first)[2], idsOf(second)[0]];
  for (const id of ids) {
    machine.pass(5);
    machine.open(id, 60_000);
  }
  const extra = idsOf(second)[1];
  expect(h.admit(rig.tables, { id: extra }).victims).toEqual([`${ids[0]} evicted`]);
  second.buffer.publish();
  second.writer.pump(0);
  // The first shard's end of its session never reaches the disk.
  machine.disk = machine.disk.crash(() => 0);
  const again = new Rig(machine.disk, machine.world, machine.options);
  expect(again.recovered).toMatchObject({ sessions: 4, evicted: 1 });
  const left = again.tables.flatMap((table) => sessionsOf(again, table).map(({ id }) => id));
  expect(left.sort()).toEqual([...ids.slice(1), extra].sort());
  expect(new Rig(machine.disk.copy(), machine.world, machine.options).recovered.evicted).toBe(0);
});

test.each([1, 2, 3])(
  'other shards keep every session and the order of eviction: seed %i',
  (seed) => {
    const machine = new Machine({ sessionsMax: 12 });
    // A recovery moves times by half a ms: what lies further apart keeps its order over all shards.
    new Workload(machine.rig, machine.disk, seed, { tickMs: 5 }).run(300);
    const kept = (): string[] => machine.sessions.map(({ id, kept: is }) => `${id} ${is}`);
    machine.restart({}, 5);
    const before = kept();
    expect(before.length).toBeGreaterThan(3);
    for (const shards of [3, 2, 1]) {
      machine.restart({ shards }, 5);
      expect(kept()).toEqual(before);
      machine.restart({ shards }, 5);
      expect(kept()).toEqual(before);
    }
  },
);

test('shards come together although they never held all their sessions at one time', () => {
  const machine = new Machine({ shards: 2, sessionsMax: 4 });
  for (let id = 1; id <= 60; id++) {
    machine.pass(1);
    h.admit(machine.rig.tables, { id });
    machine.rig.flush();
  }
  const before = machine.ids;
  machine.restart({ shards: 1 });
  expect(machine.ids).toEqual(before);
});

test('with fewer sessions allowed the oldest go, and the rest keep their order', () => {
  const machine = new Machine({ sessionsMax: 8 });
  for (const id of [5, 3, 8, 1, 7, 2]) {
    machine.pass(3);
    machine.open(id, 60_000);
  }
  expect(machine.restart({ sessionsMax: 4 }).recovered.evicted).toBe(2);
  expect(machine.ids).toEqual([8, 1, 7, 2]);
  machine.restart({ sessionsMax: 20 });
  expect(machine.ids).toEqual([8, 1, 7, 2]);
  machine.pass(3);
  machine.open(9, 60_000);
  machine.restart({ sessionsMax: 4, shards: 2 });
  expect(machine.ids).toEqual([1, 7, 2, 9]);
});

test('a smaller limit holds although the log tells of more sessions that ended', () => {
  const machine = new Machine({ sessionsMax: 8 });
  for (let id = 1; id <= 8; id++) machine.open(id, 60_000);
  const { table } = machine.rig.shards[0];
  for (let id = 1; id <= 6; id++) table.close(h.message(table, { id }));
  for (let times = 0; times < 2; times++) {
    expect(machine.restart({ sessionsMax: 3 }).recovered).toMatchObject({ evicted: 0 });
    expect(machine.ids).toEqual([7, 8]);
  }
});

test('data and replies longer than allowed are refused with what is needed, untouched', () => {
  const machine = new Machine();
  machine.open(1, 60_000);
  machine.open(2, 60_000);
  const { table } = machine.rig.shards[0];
  const session = sessionsOf(machine.rig, table)[0].commit;
  h.execute(table, { id: 1, session, request: 1 }, 'r'.repeat(40), 'd'.repeat(30));
  h.execute(table, { id: 2, session: session + 1, request: 1 }, 'r', 'd'.repeat(60));
  machine.rig.flush();
  const image = machine.disk.image();
  const start = (options: RigOptions) => () => new Rig(machine.disk, machine.world, options);
  const small = { dataBytesMax: 16 };
  expect(start(small)).toThrow(new InvalidOptionError('dataBytesMax', 16, needed(60)));
  expect(start({ ...small, shards: 2 })).toThrow(InvalidOptionError);
  const option = new InvalidOptionError('replyBytesMax', 39, needed(40));
  expect(start({ replyBytesMax: 39 })).toThrow(option);
  expect(machine.disk.image()).toEqual(image);
  // What was so long once and is not any more needs nothing.
  h.execute(table, { id: 1, session, request: 2 }, 'r', 'd');
  h.execute(table, { id: 2, session: session + 1, request: 2 }, 'r', 'd');
  machine.restart({ dataBytesMax: 8, replyBytesMax: 8 });
  expect(machine.ids).toEqual([1, 2]);
});

const needed = (bytes: number): string => `at least ${bytes}: a stored session has so much`;

const HOUR = 3_600_000;

test('a time of day set back between two runs makes nothing expire early or come to be', () => {
  const machine = new Machine();
  machine.pass(10 * HOUR);
  machine.open(1, 2 * HOUR);
  machine.open(2, 4 * HOUR);
  machine.world.wallMs -= 5 * HOUR;
  machine.restart({}, 1_000);
  const now = machine.world.ms;
  expect(machine.expiresAt(1)).toBe(now + 2 * HOUR);
  expect(machine.expiresAt(2)).toBe(now + 4 * HOUR);
  for (const { committedAt } of machine.sessions) expect(committedAt).toBeLessThanOrEqual(now);
});

test('a time of day set forward between two runs is time that has passed', () => {
  const machine = new Machine();
  machine.open(1, 2 * HOUR);
  const before = machine.expiresAt(1);
  machine.world.wallMs += HOUR;
  machine.restart();
  expect(machine.expiresAt(1)).toBeGreaterThanOrEqual(before - HOUR);
  expect(machine.expiresAt(1)).toBeLessThanOrEqual(before - HOUR + HOUR / 4 + 1);
});

test('a rate limit does not last longer for a time of day that was set back', () => {
  const machine = new Machine();
  const { table } = machine.rig.shards[0];
  h.register(table, { id: 1, rate: [1, 1], ttlMs: 60_000 });
  machine.pass(30_000);
  const m = h.message(table, { id: 1 });
  table.beginCall(m);
  table.pay(table.slot, m);
  h.commitCall(table, table.slot, undefined, true);
  machine.rig.flush();
  machine.world.wallMs -= HOUR;
  const again = machine.restart({}, 100).tables[0];
  expect(h.named(again, again.beginCall(m))).toBe('error rate_limited');
  expect(again.retryAfterMs).toBeLessThanOrEqual(1_000);
  machine.pass(again.retryAfterMs);
  expect(again.beginCall(m)).toBe(Verdict.EXECUTE);
});

test.each([1, 2])(
  'a time of day set back in a run leaves the order of eviction: %i shards',
  (n) => {
    const machine = new Machine();
    for (const id of [4, 1, 3, 2]) {
      machine.pass(10);
      machine.open(id, 60_000);
      machine.world.wallMs -= 500;
    }
    machine.restart({ shards: n });
    expect(machine.ids).toEqual([4, 1, 3, 2]);
  },
);

test('a call soon after a restart that was not logged does not cost its session time', () => {
  const machine = new Machine();
  machine.open(1, 8_000);
  machine.restart({}, 7_000);
  machine.pass(500);
  machine.touch(1);
  const before = machine.expiresAt(1);
  machine.restart({}, 10);
  expect(machine.expiresAt(1)).toBeGreaterThanOrEqual(before - 2);
});

test('a call that was not logged after one that does not touch costs its session no time', () => {
  const machine = new Machine();
  machine.open(1, 8_000);
  machine.pass(7_000);
  const { table } = machine.rig.shards[0];
  const [{ commit }] = sessionsOf(machine.rig, table);
  expect(h.begin(table, { id: 1, session: commit, request: 1 })).toBe(Verdict.EXECUTE);
  h.commit(table, table.slot, 'ok', undefined, 0, false);
  machine.pass(500);
  machine.touch(1);
  const before = machine.expiresAt(1);
  machine.restart({}, 10);
  expect(machine.expiresAt(1)).toBeGreaterThanOrEqual(before - 2);
});

test('a session only looked at is not logged again, and one in use a few times a TTL', () => {
  const machine = new Machine();
  machine.open(1, 8_000);
  const { buffer } = machine.rig.shards[0];
  const start = buffer.position;
  for (let i = 0; i < 70; i++) {
    machine.pass(100);
    machine.touch(1, false);
  }
  expect(buffer.position).toBe(start);
  for (let i = 0; i < 80; i++) {
    machine.pass(100);
    machine.touch(1);
  }
  const entries = (buffer.position - start) / 32;
  expect(entries).toBeGreaterThanOrEqual(7);
  expect(entries).toBeLessThanOrEqual(9);
});
