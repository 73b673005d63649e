/**
 * Recovery: directories that the real writer made, damaged as the input says, and started from.
 *
 * A start either is refused, with an error whose code begins with `storage_` and the directory
 * left as it was, or it finds a state that some prefix of each shard's log tells of, which the next
 * start finds again. Never another error, a hang, or memory as a length field says.
 *
 * What is allowed besides:
 * - where checksums were made right again, sessions are what the forger says. The tables must be
 *   whole all the same, and the lengths of payloads may be refused as above the limits of the
 *   options, which is an `InvalidOptionError`;
 * - where the first segments of a log are gone, or the last ones of a log that was cleaned up
 *   since, sessions are missing that were told of there: nothing is left that could tell. Each one
 *   that is found must have been so once.
 */

import { SessileError } from '../../../src/core/errors.ts';
import { checkInvariants } from '../../../src/core/invariants.ts';
import { examine } from '../../../src/journal/examine.ts';
import { decodeSegmentHeader, type SegmentHeader } from '../../../src/journal/format.ts';
import { planRepair, repair } from '../../../src/journal/repair.ts';
import type { Random } from '../../crash/random.ts';
import type { FaultyDisk } from '../../journal/faulty-disk.ts';
import { sessionsOf } from '../../journal/oracle.ts';
import { FOLDER, Rig, type RigOptions } from '../../journal/rig.ts';
import { Choices } from '../choices.ts';
import { damage } from '../journal-damage.ts';
import { IMAGES, type Image, imageAt, segmentsOf, stateOf } from '../journal-images.ts';
import { must, type Outcome, type Target } from '../target.ts';

/** All images together are below a tenth of it. */
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;

/** How the start differs from those before. The first one is by far the most telling. */
const STARTS: readonly ((options: RigOptions) => RigOptions)[] = [
  (options) => options,
  (options) => options,
  (options) => options,
  (options) => ({ ...options, shards: 3 }),
  (options) => ({ ...options, sessionsMax: 2 }),
  (options) => ({ ...options, shards: (options.shards ?? 1) === 1 ? 2 : 1, sessionsMax: 3 }),
  (options) => ({ ...options, sessionsMax: 40, syncs: false }),
];

export const journal: Target = {
  name: 'journal',
  sources: [
    '/journal/directory.ts',
    '/journal/examine.ts',
    '/journal/format.ts',
    '/journal/journal.ts',
    '/journal/repair.ts',
    '/journal/segment-reader.ts',
    '/core/log-replay.ts',
  ],
  tokens: [],
  share: 1,
  generate: (random: Random) => {
    const length = 2 + random.below(random.pick([6, 12, 40]));
    return Uint8Array.from({ length }, () => random.below(256));
  },
  run,
};

function run(input: Uint8Array): Outcome {
  const choices = new Choices(input);
  const image = imageAt(choices.below(IMAGES));
  const start = choices.below(STARTS.length);
  const options = STARTS[start](image.options);
  const disk = image.disk.copy();
  const { isHostile } = damage(disk, choices);
  const damaged = disk.copy();
  const before = process.memoryUsage().arrayBuffers;
  const rig = started(disk, image, options, isHostile);
  const grown = process.memoryUsage().arrayBuffers - before;
  must(grown < MEMORY_BYTES_MAX, () => `a start takes ${grown} bytes`);
  const isDamaged = examined(damaged);
  if (rig === undefined) {
    must(disk.calls === 0, 'a refused start changes nothing');
    must(disk.openFiles === 0, 'a refused start leaves no file open');
    repaired(damaged, image, options, isHostile);
    return 'refused';
  }
  must(isDamaged !== true, 'what is started from is whole by the examination, too');
  for (const [shard, table] of rig.tables.entries()) {
    checkInvariants(table);
    for (const session of sessionsOf(rig, rig.tables[shard])) {
      const { commit, committedAt, expiresAt } = session;
      must(!Number.isNaN(commit + committedAt + expiresAt), 'times are numbers');
    }
  }
  const isSame = start < 3;
  if (isSame && !isHostile) checkStates(rig, disk, image);
  foundAgain(rig, disk, image, options);
  return 'accepted';
}

/** Undefined when the start is refused as it should be. */
function started(
  disk: FaultyDisk,
  image: Image,
  options: RigOptions,
  isHostile: boolean,
): Rig | undefined {
  try {
    return new Rig(disk, { ...image.world }, options);
  } catch (error) {
    if (!(error instanceof SessileError)) throw error;
    const isAllowed = isHostile && error.code === 'invalid_options';
    must(error.code.startsWith('storage_') || isAllowed, () => `${error.code}: ${error.message}`);
    must(error.message.length > 10, 'a refusal says why');
    return undefined;
  }
}

/** Whether the examination finds damage; undefined when it cannot be done. It changes nothing. */
function examined(disk: FaultyDisk): boolean | undefined {
  try {
    const { segments } = examine(disk, FOLDER);
    return segments.some((segment) => segment.damage !== undefined);
  } catch (error) {
    if (error instanceof SessileError && error.code.startsWith('storage_')) return undefined;
    throw error;
  } finally {
    must(disk.calls === 0 && disk.openFiles === 0, 'an examination leaves no trace');
  }
}

/** What a repair leaves is started from, or refused as anything else. */
function repaired(disk: FaultyDisk, image: Image, options: RigOptions, isHostile: boolean): void {
  if (examined(disk) !== true) return;
  const found = examine(disk, FOLDER);
  repair(disk, FOLDER, found, planRepair(found));
  const rig = started(disk, image, options, isHostile);
  if (rig === undefined) return;
  for (const table of rig.tables) checkInvariants(table);
}

function checkStates(rig: Rig, disk: FaultyDisk, image: Image): void {
  for (const [shard, states] of image.states.entries()) {
    const state = stateOf(rig, shard);
    if (states.has(state)) continue;
    const last = segmentsOf(disk, shard).at(-1)!;
    const { position } = headerOf(disk, last);
    const isCut = position < image.cleanedTo[shard] || isTrimmed(disk, image, shard);
    must(isCut, () => `shard ${shard} was never so:\n${state}`);
    for (const line of state.split('\n')) {
      must(image.lines[shard].has(line), () => `no session of shard ${shard} was ever ${line}`);
    }
  }
}

const headerOf = (disk: FaultyDisk, path: string): SegmentHeader =>
  decodeSegmentHeader(Buffer.from(disk.contents(path)))!;

/** Whether a log begins later than that of the image. */
function isTrimmed(disk: FaultyDisk, image: Image, shard: number): boolean {
  const [first] = segmentsOf(disk, shard);
  const [before] = segmentsOf(image.disk, shard);
  return headerOf(disk, first).position > headerOf(image.disk, before).position;
}

/** The next start finds the same sessions. */
function foundAgain(rig: Rig, disk: FaultyDisk, image: Image, options: RigOptions): void {
  rig.flush();
  must(rig.failures.length === 0, () => `the log goes on: ${rig.failures[0].message}`);
  const again = new Rig(disk.copy(), { ...image.world }, options);
  for (const shard of rig.tables.keys()) {
    const state = stateOf(again, shard);
    const before = stateOf(rig, shard);
    must(state === before, () => `found again as\n${state}\nfor\n${before}`);
  }
}
