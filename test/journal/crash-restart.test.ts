/**
 * The machine stops at each call while an engine starts: for the first time, after a crash, with
 * other shards, with fewer sessions. Whatever the next start finds, it finds the same sessions.
 */
import { expect, test } from 'vitest';
import * as h from '../core/helpers.ts';
import { Crash, FaultyDisk } from './faulty-disk.ts';
import { sessionsOf } from './oracle.ts';
import { FOLDER, fixSeeds, newWorld, Rig, type RigOptions } from './rig.ts';
import { Workload } from './workload.ts';

const world = newWorld();

function start(disk: FaultyDisk, options: RigOptions): Rig | undefined {
  try {
    return new Rig(disk, { ...world, ms: 60_000 }, { sessionsMax: 8, ...options });
  } catch (error) {
    if (error instanceof Crash) return undefined;
    throw error;
  }
}

function keptBy(rig: Rig): string[] {
  const all = rig.tables.flatMap((table) => sessionsOf(rig, table));
  all.sort((a, b) => a.committedAt - b.committedAt || a.commit - b.commit);
  return all.map(({ id, kept }) => `${id} ${kept}`);
}

/** A directory with sessions, some of them bound to connections. */
function filled(seed: number): FaultyDisk {
  const disk = new FaultyDisk();
  const first = newWorld();
  new Rig(disk, first, { sessionsMax: 8 });
  fixSeeds(disk);
  const rig = new Rig(disk, first, { sessionsMax: 8 });
  new Workload(rig, disk, seed, { ids: 12 }).run(250);
  rig.flush();
  return disk.copy();
}

const CHANGES: { name: string; options: RigOptions }[] = [
  { name: 'as before', options: {} },
  { name: 'with three shards', options: { shards: 3 } },
  { name: 'with fewer sessions', options: { sessionsMax: 3 } },
  { name: 'with fewer sessions on two shards', options: { sessionsMax: 3, shards: 2 } },
  { name: 'with more sessions', options: { sessionsMax: 30 } },
];

test.each(CHANGES)('a crash at any call of a start $name loses nothing', ({ options }) => {
  const disk = filled(4);
  const whole = disk.copy();
  const expected = keptBy(start(whole, options)!);
  expect(expected.length).toBeGreaterThan(2);
  for (let number = 1; number <= whole.calls; number++) {
    for (const moment of ['crash before', 'crash after'] as const) {
      const crashing = disk.copy();
      crashing.plan = (call) => (call.number === number ? moment : undefined);
      expect(start(crashing, options)).toBeUndefined();
      const random = h.random(number);
      const left = crashing.crash(random);
      expect(keptBy(start(left, options)!)).toEqual(expected);
      // And once more, with everything on disk.
      expect(keptBy(start(left.copy(), options)!)).toEqual(expected);
    }
  }
});

test.each([1, 2])('a crash at any call of the first start leaves a usable folder: %i', (shards) => {
  const whole = new FaultyDisk();
  start(whole, { shards });
  for (let number = 1; number <= whole.calls; number++) {
    for (const moment of ['crash before', 'crash after'] as const) {
      const crashing = new FaultyDisk();
      crashing.plan = (call) => (call.number === number ? moment : undefined);
      expect(start(crashing, { shards })).toBeUndefined();
      const left = crashing.crash(h.random(number));
      expect(start(left, { shards })!.recovered.sessions).toBe(0);
      // Nothing of the start that did not finish is left.
      expect(left.list(FOLDER).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      expect(start(left.copy(), { shards })!.recovered.sessions).toBe(0);
    }
  }
});
