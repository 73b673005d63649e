/**
 * The machine stops before and after every call of a workload that changes the disk. What recovery
 * then finds is what the sessions were at some time after the last acknowledgement.
 */
import { expect, test } from 'vitest';
import * as h from '../core/helpers.ts';
import { Crash, FaultyDisk, type Plan } from './faulty-disk.ts';
import { difference, type Oracle, sessionsOf } from './oracle.ts';
import { fixSeeds, newWorld, Rig, type RigOptions, type World } from './rig.ts';
import { type Weights, Workload } from './workload.ts';

type Moment = 'crash before' | 'crash after';

interface Setting extends Weights {
  seed: number;
  steps: number;
  options: RigOptions;
  holdsSyncs: boolean;
}

function newDirectory(options: RigOptions): { disk: FaultyDisk; world: World } {
  const disk = new FaultyDisk();
  const world = newWorld();
  new Rig(disk, world, options);
  fixSeeds(disk);
  return { disk: disk.copy(), world };
}

/** Runs the workload up to where the plan stops the machine; what was possible then. */
function runUntil(start: FaultyDisk, setting: Setting, plan: Plan): Workload | undefined {
  const disk = start.copy();
  disk.holdsSyncs = setting.holdsSyncs;
  disk.plan = plan;
  const world = newWorld();
  try {
    const rig = new Rig(disk, world, setting.options);
    const workload = new Workload(rig, disk, setting.seed, setting);
    workload.run(setting.steps);
    workload.rest();
    return workload;
  } catch (error) {
    if (error instanceof Crash) return undefined;
    throw error;
  }
}

const stopAt = (number: number, moment: Moment): Plan => {
  return (call) => (call.number === number ? moment : undefined);
};

/** Recovers what a crash left, with as many shards as before, and compares each of them. */
function recover(left: FaultyDisk, world: World, setting: Setting, oracles: Oracle[]): Rig {
  const { options, setsWall } = setting;
  const rig = new Rig(left, world, { ...options, originMs: world.ms - 77.25 });
  h.checkShards(rig.tables);
  for (const [shard, oracle] of oracles.entries()) {
    const found = sessionsOf(rig, rig.tables[shard]);
    const possible = oracle.possible(options.syncs ?? true);
    const reasons = possible.map((snapshot) => difference(snapshot, found, setsWall));
    if (reasons.includes(undefined)) continue;
    throw new Error(`shard ${shard}: no state fits:\n${reasons.slice(-8).join('\n')}`);
  }
  return rig;
}

/** Stops the machine at a call, recovers, goes on, stops again at another and recovers again. */
function crashTwice(start: FaultyDisk, setting: Setting, number: number, moment: Moment): boolean {
  const random = h.random(number * 2 + (moment === 'crash after' ? 1 : 0) + setting.seed);
  const workload = runUntil(start, setting, stopAt(number, moment));
  if (workload === undefined || !workload.disk.hasCrashed) return false;
  const { world } = workload.rig;
  world.ms += random(60);
  const left = workload.disk.crash(random);
  const rig = recover(left, world, setting, workload.oracles);
  left.holdsSyncs = setting.holdsSyncs;
  const again = new Workload(rig, left, number, setting);
  left.plan = stopAt(left.calls + 1 + random(40), random(2) === 0 ? 'crash before' : moment);
  again.run(60);
  again.rest();
  world.ms += random(60);
  recover(left.crash(random), world, setting, again.oracles);
  return true;
}

const SETTINGS: Setting[] = [
  { seed: 1, steps: 300, options: {}, holdsSyncs: false },
  { seed: 2, steps: 200, options: { blocks: false }, holdsSyncs: true },
  { seed: 3, steps: 300, options: { shards: 2, sessionsMax: 20 }, holdsSyncs: true },
  { seed: 4, steps: 200, options: { syncs: false, blocks: false }, holdsSyncs: true },
  { seed: 5, steps: 200, options: {}, holdsSyncs: false, setsWall: true },
];

/** Of how many calls one is also followed by a crash. */
const AFTER_EVERY = 4;

test.each(SETTINGS)(
  'a crash at any call to the disk keeps what was acknowledged: %o',
  (setting) => {
    const { disk } = newDirectory(setting.options);
    const whole = runUntil(disk, setting, () => undefined)!;
    const calls = whole.disk.calls;
    expect(calls).toBeGreaterThan(60);
    expect(whole.rig.shards[0].log.tail.segment).toBeGreaterThan(3);
    expect(whole.rig.shards[0].log.oldestSegment).toBeGreaterThan(1);
    let crashes = 0;
    for (let number = 1; number <= calls; number++) {
      // The disk is the same after a call and before the next: what differs is what else is drawn.
      const moments: Moment[] = ['crash before'];
      if (number % AFTER_EVERY === 0 || number === calls) moments.push('crash after');
      for (const moment of moments) {
        try {
          if (crashTwice(disk, setting, number, moment)) crashes += 1;
        } catch (error) {
          throw new Error(`seed ${setting.seed}, ${moment} call ${number}`, { cause: error });
        }
      }
    }
    expect(crashes).toBeGreaterThan(calls);
  },
);
