/**
 * Over several logs, the place of a session that ended is free when its end is on disk, and not
 * before: otherwise a crash could lose the end, keep the register that took the place, and bring
 * one session too many back.
 */
import { expect, test } from 'vitest';
import { Admission, Eviction, Reason } from '../../src/core/codes.ts';
import { LogBuffer } from '../../src/core/log-buffer.ts';
import { CloseFlag, Kind } from '../../src/core/message.ts';
import * as h from '../core/helpers.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { fixSeeds, newWorld, Rig, type RigOptions, type Shard } from './rig.ts';

/** A rig over two shards with room for two sessions: 1 lives in shard `a`, and 2 would in `b`. */
function fullRig(options: RigOptions = {}): { rig: Rig; a: Shard; b: Shard; here: number[] } {
  const disk = new FaultyDisk();
  const all = { shards: 2, sessionsMax: 2, defers: true, ...options };
  void new Rig(disk, newWorld(), all);
  fixSeeds(disk);
  const rig = new Rig(disk, newWorld(), all);
  const a = rig.shardOf(1);
  const b = rig.shards[1 - a.table.arena.shard];
  const here = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((id) => rig.shardOf(id) === a);
  for (const id of here.slice(0, 2)) {
    h.open(a.table, id);
    rig.world.ms += 1;
    rig.tick();
  }
  rig.flush();
  return { rig, a, b, here };
}

function write(shard: Shard): void {
  shard.buffer.publish();
  shard.writer.pump(0);
}

const elsewhere = (rig: Rig, a: Shard): number =>
  [1, 2, 3, 4, 5, 6, 7, 8, 9].find((id) => rig.shardOf(id) !== a)!;

function close(shard: Shard, id: number): void {
  shard.table.close(h.message(shard.table, { id, kind: Kind.CLOSE }));
}

test('a place is free for another shard only when the end that made it is on disk', () => {
  const { rig, a, b, here } = fullRig();
  const other = elsewhere(rig, a);
  close(a, here[0]);
  expect(h.liveCount(a.table)).toBe(1);
  expect(h.register(b.table, { id: other })).toBe(Admission.NO_ROOM);
  a.buffer.publish();
  expect(h.register(b.table, { id: other })).toBe(Admission.NO_ROOM);
  a.writer.pump(0);
  expect(h.register(b.table, { id: other })).toBe(Admission.ADMITTED);
  h.checkShards(rig.tables);
});

test('a place is free before anybody can be told of the end that made it', () => {
  const { rig, a, here } = fullRig();
  const { ledger } = rig.tables[0];
  const free: number[] = [];
  a.buffer.setDurable = (position) => {
    free.push(ledger.sessionsMax - ledger.sessions());
    LogBuffer.prototype.setDurable.call(a.buffer, position);
  };
  close(a, here[0]);
  write(a);
  expect(free).toEqual([1]);
});

test.each([
  ['closed', (a: Shard, id: number) => close(a, id)],
  [
    'disconnected',
    (a: Shard, id: number) => {
      const flags = CloseFlag.DISCONNECTED;
      a.table.close(h.message(a.table, { id, kind: Kind.CLOSE, flags }));
    },
  ],
  [
    'ended',
    (a: Shard) => a.table.end(a.table.order.newerThan(a.table.order.sentinel), Reason.EXPIRED),
  ],
])('the place of a session that was %s goes back once', (_, end) => {
  const { rig, a, b, here } = fullRig();
  end(a, here[0]);
  write(a);
  write(a);
  write(b);
  expect(rig.tables[0].ledger.sessions()).toBe(1);
});

test('an expired session makes way where nobody is evicted once its end is on disk', () => {
  const { rig, a, b, here } = fullRig({ ttlDefaultMs: 100 });
  for (const id of here.slice(0, 2)) close(a, id);
  rig.flush();
  h.open(a.table, here[0], 100);
  h.open(a.table, here[1], 100);
  rig.flush();
  rig.world.ms += 200;
  rig.tick();
  expect(a.table.evictOldest(Number.POSITIVE_INFINITY, true)).toBe(Eviction.EVICTED);
  expect(h.register(b.table, { id: elsewhere(rig, a) })).toBe(Admission.NO_ROOM);
  write(a);
  expect(h.register(b.table, { id: elsewhere(rig, a) })).toBe(Admission.ADMITTED);
});

test('without that a place is free at once, and a crash may bring one session too many', () => {
  const { rig, a, b, here } = fullRig({ defers: false });
  const other = elsewhere(rig, a);
  close(a, here[1]);
  expect(h.register(b.table, { id: other })).toBe(Admission.ADMITTED);
  write(b);
  const disk = (rig.disk as FaultyDisk).crash(h.random(1));
  const next = new Rig(disk, rig.world, { shards: 2, sessionsMax: 2 });
  expect(next.recovered).toMatchObject({ sessions: 2, evicted: 1 });
  const live = next.tables.flatMap((table) => h.orderOf(table).map((slot) => h.idOf(table, slot)));
  expect(live.sort()).toEqual([here[1], other].sort());
});

test('a writer that takes over gives back what the one before had not written', () => {
  const { rig, a, here } = fullRig();
  close(a, here[0]);
  a.buffer.publish();
  rig.replaceWriter(a);
  expect(a.table.ledger.sessions()).toBe(2);
  write(a);
  expect(a.table.ledger.sessions()).toBe(1);
  rig.replaceWriter(a);
  write(a);
  expect(a.table.ledger.sessions()).toBe(1);
});

test('a full disk gives no place back, and one that has room again does', () => {
  const { rig, a, here } = fullRig();
  const disk = rig.disk as FaultyDisk;
  close(a, here[0]);
  disk.plan = ({ kind }) => (kind === 'write' ? { code: 'ENOSPC' } : undefined);
  write(a);
  expect(a.table.ledger.sessions()).toBe(2);
  disk.plan = () => undefined;
  a.writer.pump(1_000);
  expect(a.table.ledger.sessions()).toBe(1);
});

/** One life: registers where there is room, ends, and writes of single shards, then a crash. */
function live(rig: Rig, below: (bound: number) => number): number {
  let ends = 0;
  for (let steps = 5 + below(60); steps > 0; steps--) {
    const id = 1 + below(12);
    const shard = rig.shardOf(id);
    rig.world.ms += below(3) === 0 ? below(400) : 1;
    rig.tick();
    const step = below(5);
    if (step === 0) ends += shard.table.sweep(4) ? 1 : 0;
    else if (step === 1) write(rig.shards[below(rig.shards.length)]);
    else if (step === 2) close(shard, id);
    else h.register(shard.table, { id, ttlMs: below(2) === 0 ? 500 : 1_000_000 });
    h.checkShards(rig.tables);
    for (const { table } of rig.shards) table.wheel.advance();
  }
  return ends;
}

test('whatever a crash loses, no more sessions come back than there may be', () => {
  const seed = 20261122;
  const below = h.random(seed);
  let recovered = 0;
  let lost = 0;
  for (let run = 0; run < 150; run++) {
    const options = { shards: 2 + (run % 3), sessionsMax: 3, slots: 3, defers: true };
    const world = newWorld();
    let disk = new FaultyDisk();
    for (let lives = 0; lives < 4; lives++) {
      const rig = new Rig(disk, world, options);
      expect(rig.recovered, `seed ${seed}, run ${run}, life ${lives}`).toMatchObject({
        evicted: 0,
      });
      recovered += rig.recovered.sessions;
      live(rig, below);
      for (const { buffer } of rig.shards) if (!buffer.isDurable(buffer.endPosition)) lost += 1;
      disk = disk.crash(below);
    }
  }
  expect(recovered).toBeGreaterThan(500);
  expect(lost).toBeGreaterThan(100);
});
