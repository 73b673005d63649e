/**
 * Calls to the disk that fail or take less: a disk that is full is tried again, a sync that failed
 * never is, and a short write is completed.
 */
import { expect, test } from 'vitest';
import { Admission } from '../../src/core/codes.ts';
import { LogState } from '../../src/core/log-buffer.ts';
import * as h from '../core/helpers.ts';
import { type Call, type CallKind, type Fault, FaultyDisk, type Plan } from './faulty-disk.ts';
import { difference, sessionsOf } from './oracle.ts';
import { FOLDER, newWorld, Rig, type RigOptions } from './rig.ts';
import { Workload } from './workload.ts';

const NO_ROOM = { code: 'ENOSPC' };
const BROKEN = { code: 'EIO' };

/** Lets every `from`th call of a kind and those that follow it fail, `times` of them. */
function failing(kind: CallKind, from: number, times: number, fault: Fault): Plan {
  let seen = 0;
  return (call: Call) => {
    if (call.kind !== kind) return undefined;
    seen += 1;
    return seen >= from && seen < from + times ? fault : undefined;
  };
}

function started(options: RigOptions = {}): { disk: FaultyDisk; rig: Rig } {
  const disk = new FaultyDisk();
  return { disk, rig: new Rig(disk, newWorld(), { sessionsMax: 100, ...options }) };
}

/** What a restart on what the system shows finds, in the order of eviction. */
function found(disk: FaultyDisk, options: RigOptions = {}): number[] {
  const rig = new Rig(disk.copy(), newWorld(), { sessionsMax: 100, ...options });
  return sessionsOf(rig, rig.tables[0]).map(({ id }) => id);
}

test('a full disk keeps what is to be written, refuses new work and goes on when it can', () => {
  const { disk, rig } = started();
  const [{ table, buffer }] = rig.shards;
  h.open(table, 1);
  disk.plan = failing('write', 1, 3, NO_ROOM);
  rig.flush();
  expect(buffer.state).toBe(LogState.NO_ROOM);
  expect(buffer.hasEntries()).toBe(true);
  expect(buffer.isDurable(buffer.position)).toBe(false);
  expect(h.ADMISSIONS[h.register(table, { id: 2 })]).toBeUndefined();
  expect(h.register(table, { id: 1 })).toBe(Admission.RESUMED);
  const m = { id: 1, session: 1, request: 1 };
  expect(h.named(table, h.begin(table, m))).toBe('error storage_failed');
  // Not before some time has passed, and then once.
  const { calls } = disk;
  rig.pump();
  expect(disk.calls).toBe(calls);
  for (let tries = 0; tries < 3; tries++) {
    rig.world.ms += 100;
    rig.pump();
  }
  expect(buffer.state).toBe(LogState.OK);
  expect(buffer.isDurable(buffer.position)).toBe(true);
  h.execute(table, m);
  rig.flush();
  expect(found(disk)).toEqual([1]);
});

test.each(['open', 'write', 'rename', 'sync', 'syncFolder'] as const)(
  'a disk that is full at any %s of a workload loses and doubles nothing',
  (kind) => {
    for (let from = 1; from < 40; from += 2) {
      const disk = new FaultyDisk();
      const rig = new Rig(disk, newWorld());
      const workload = new Workload(rig, disk, from);
      // A block is synced by itself; only what makes a segment may find no room.
      const plan = failing(kind, from, 2, NO_ROOM);
      const isBlock = (call: Call): boolean => kind === 'sync' && call.name.endsWith('.log');
      disk.plan = (call) => (isBlock(call) ? undefined : plan(call));
      for (let i = 0; i < 300; i++) {
        workload.step();
        rig.world.ms += 30;
      }
      const [{ buffer }] = rig.shards;
      const [oracle] = workload.oracles;
      rig.world.ms += 1_000;
      workload.rest();
      expect(rig.failures).toEqual([]);
      expect(buffer.state).toBe(LogState.OK);
      expect(buffer.isDurable(buffer.position)).toBe(true);
      const again = new Rig(disk.crash(h.random(from)), rig.world);
      const state = sessionsOf(again, again.tables[0]);
      expect(difference(oracle.snapshots.at(-1)!, state)).toBeUndefined();
    }
  },
);

test.each([
  ['sync', BROKEN],
  ['write', BROKEN],
  ['sync', NO_ROOM],
] as const)('after a %s that fails with %o nothing is promised any more', (kind, fault) => {
  for (const options of [{}, { blocks: false }]) {
    const { disk, rig } = started(options);
    const [{ table, buffer }] = rig.shards;
    h.open(table, 1);
    rig.flush();
    const durable = buffer.position;
    disk.plan = failing(kind, 1, 1, fault);
    h.open(table, 2);
    rig.flush();
    expect(buffer.state).toBe(LogState.FAILED);
    expect(rig.failures).toHaveLength(1);
    const { calls } = disk;
    for (let tries = 0; tries < 3; tries++) {
      rig.world.ms += 1_000;
      rig.flush();
    }
    expect(disk.calls).toBe(calls);
    expect(buffer.isDurable(durable)).toBe(true);
    expect(buffer.isDurable(durable + 1)).toBe(false);
    expect(found(disk.crash(() => 0))).toEqual([1]);
  }
});

test('a cleaner that fails while a batch is synced fails the log for good', () => {
  const { disk, rig } = started({ blocks: false });
  const [{ table, buffer, log, writer }] = rig.shards;
  h.open(table, 1);
  disk.holdsSyncs = true;
  rig.flush();
  writer.fail(new Error('a segment could not be removed'));
  disk.settle();
  expect(buffer.state).toBe(LogState.FAILED);
  expect(buffer.isDurable(buffer.position)).toBe(false);
  expect(writer.isBusy).toBe(false);
  expect(log.synced).toBe(log.position);
});

test('a sync before the next segment that fails is not tried again, even for want of room', () => {
  const { disk, rig } = started({ syncs: false });
  const [{ table, buffer, log }] = rig.shards;
  disk.plan = failing('sync', 1, 1, NO_ROOM);
  for (let id = 1; id <= 40 && buffer.state === LogState.OK; id++) {
    h.open(table, id);
    rig.flush();
  }
  expect(buffer.state).toBe(LogState.FAILED);
  expect(log.tail.segment).toBe(1);
  expect(rig.failures[0]).toMatchObject({ code: 'ENOSPC' });
});

test('a sync under way on a segment that is full keeps its file open', () => {
  const { disk, rig } = started({ syncs: false, blocks: false });
  const [{ table, log }] = rig.shards;
  disk.holdsSyncs = true;
  h.open(table, 1);
  rig.flush();
  const outcomes: number[] = [];
  log.sync((outcome) => outcomes.push(outcome));
  for (let id = 2; log.tail.segment === 1; id++) {
    h.open(table, id);
    rig.flush();
  }
  const { synced } = log;
  disk.settle();
  expect(outcomes).toEqual([0]);
  expect(log.synced).toBe(synced);
  expect(disk.openFiles).toBe(1);
  log.sync((outcome) => outcomes.push(outcome));
  log.close();
  disk.settle();
  expect(outcomes).toEqual([0, 0]);
  expect(disk.openFiles).toBe(0);
});

test('a log that takes over promises nothing of what the one before left to the system', () => {
  const { disk, rig } = started({ syncs: false });
  const [shard] = rig.shards;
  h.open(shard.table, 1);
  rig.flush();
  rig.replaceWriter(shard);
  h.open(shard.table, 2);
  rig.flush();
  // The first block is torn, the second is there: neither was promised.
  const path = `${FOLDER}/g000001-s000-00000001.log`;
  const bytes = disk.contents(path).slice();
  bytes[100] ^= 1;
  disk.replace(path, bytes);
  expect(found(disk)).toEqual([]);
});

test.each([1, 7, 39, 200])('writes that take %i bytes at a time are completed', (bytes) => {
  const disk = new FaultyDisk();
  disk.plan = ({ kind }) => (kind === 'write' ? { bytes } : undefined);
  const rig = new Rig(disk, newWorld());
  const workload = new Workload(rig, disk, bytes);
  workload.run(120);
  workload.rest();
  const again = new Rig(disk.crash(h.random(1)), rig.world);
  const [oracle] = workload.oracles;
  const state = sessionsOf(again, again.tables[0]);
  expect(difference(oracle.snapshots.at(-1)!, state)).toBeUndefined();
});

test('a disk that is full while the sessions move to other shards is said to be so', () => {
  const { disk, rig } = started();
  for (let id = 1; id <= 5; id++) h.open(rig.tables[0], id);
  rig.flush();
  const full = disk.copy();
  full.plan = failing('write', 4, 1_000, NO_ROOM);
  const start = () => new Rig(full, newWorld(), { sessionsMax: 100, shards: 2 });
  expect(start).toThrow('no room for the sessions');
  full.plan = () => undefined;
  expect(start().recovered.sessions).toBe(5);
});
