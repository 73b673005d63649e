/**
 * Data directories that the real writer made, from fixed seeds, with all states that a prefix of
 * their logs may tell of. They are made when the first input asks for them.
 */
import {
  BLOCK_HEADER_BYTES,
  decodeSegmentHeader,
  encodeSegmentHeader,
  peekBlock,
  SEGMENT_HEADER_BYTES,
  sealBlock,
} from '../../src/journal/format.ts';
import { FaultyDisk } from '../journal/faulty-disk.ts';
import { sessionsOf, survivorsOf } from '../journal/oracle.ts';
import { FOLDER, fixSeeds, newWorld, Rig, type RigOptions, type World } from '../journal/rig.ts';
import { Workload } from '../journal/workload.ts';

export const MANIFEST = `${FOLDER}/sessile.json`;
const HEADER = SEGMENT_HEADER_BYTES;
const ENGINE = '00112233445566778899aabbccddeeff';

export interface Image {
  readonly options: RigOptions;
  readonly disk: FaultyDisk;
  readonly world: World;
  /** By shard: the states that a prefix of its log may tell of. */
  readonly states: readonly ReadonlySet<string>[];
  /** By shard: what its sessions were at any time, each by itself. */
  readonly lines: readonly ReadonlySet<string>[];
  /** By shard: where its log ends if it was cleaned up, so that a shorter one may miss sessions. */
  readonly cleanedTo: readonly number[];
}

interface Recipe {
  readonly seed: number;
  readonly options: RigOptions;
  readonly steps: readonly number[];
  readonly cleans: boolean;
}

const RECIPES: readonly Recipe[] = [
  { seed: 1, options: { sessionsMax: 6 }, steps: [40], cleans: false },
  { seed: 2, options: { sessionsMax: 6, segmentBytesMax: 1500 }, steps: [80, 60], cleans: false },
  { seed: 3, options: { shards: 2, sessionsMax: 12 }, steps: [60, 60], cleans: false },
  { seed: 4, options: { sessionsMax: 6, segmentBytesMax: 1500 }, steps: [150, 90], cleans: true },
];

export const IMAGES = RECIPES.length;
const made: (Image | undefined)[] = [];

export function imageAt(index: number): Image {
  made[index] ??= make(RECIPES[index]);
  return made[index];
}

/** The sessions of a shard as text, in the order of eviction. */
export function stateOf(rig: Rig, shard: number): string {
  const sessions = sessionsOf(rig, rig.tables[shard]);
  return sessions.map(({ id, kept }) => `${id} ${kept}`).join('\n');
}

function make({ seed, options, steps, cleans }: Recipe): Image {
  const disk = new FaultyDisk();
  const world = newWorld();
  const first = new Rig(disk, world, options);
  fixSeeds(disk);
  const states = first.tables.map(() => new Set(['']));
  for (const [life, count] of steps.entries()) {
    const rig = new Rig(disk, world, options);
    if (!cleans) rig.clean = () => false;
    const workload = new Workload(rig, disk, seed * 100 + life, { ids: 9 });
    workload.run(count);
    rig.flush();
    for (const oracle of workload.oracles) oracle.observe();
    for (const [shard, { snapshots }] of workload.oracles.entries()) {
      for (const snapshot of snapshots) {
        const left = survivorsOf(snapshot).map(({ id, kept }) => `${id} ${kept}`);
        states[shard].add(left.join('\n'));
      }
    }
    world.ms += 50;
  }
  const whole = disk.copy();
  makeCanonical(whole);
  const cleanedTo = states.map((_, shard) => (cleans ? endOf(whole, shard) : 0));
  const lines = states.map((all) => new Set([...all].flatMap((state) => state.split('\n'))));
  return { options, disk: whole, world, states, lines, cleanedTo };
}

/** Gives what was drawn at random fixed values, so that every run has the same bytes. */
function makeCanonical(disk: FaultyDisk): void {
  const manifest = JSON.parse(Buffer.from(disk.contents(MANIFEST)).toString());
  disk.replace(MANIFEST, Buffer.from(JSON.stringify({ ...manifest, engine: ENGINE })));
  for (const path of segmentsOf(disk)) {
    const bytes = Buffer.from(disk.contents(path));
    const blocks = blocksOf(bytes);
    const header = decodeSegmentHeader(bytes)!;
    const seed = header.number * 1_000 + header.shard;
    bytes.set(encodeSegmentHeader({ ...header, seed, engine: ENGINE }));
    for (const offset of blocks) seal(bytes, offset);
    disk.replace(path, bytes);
  }
}

/** Paths of segments, of one shard or of all. */
export function segmentsOf(disk: FaultyDisk, shard?: number): string[] {
  const part = shard === undefined ? '' : `-s00${shard}-`;
  return disk
    .list(FOLDER)
    .filter((name) => name.endsWith('.log') && name.includes(part))
    .map((name) => `${FOLDER}/${name}`);
}

/** The position at which a shard's log ends. */
function endOf(disk: FaultyDisk, shard: number): number {
  const last = segmentsOf(disk, shard).at(-1)!;
  const bytes = Buffer.from(disk.contents(last));
  const { position } = decodeSegmentHeader(bytes)!;
  const block = blocksOf(bytes).at(-1);
  if (block === undefined) return position;
  return position + block + BLOCK_HEADER_BYTES + peekBlock(bytes, block)!.length - HEADER;
}

/** Where the blocks of a segment begin, as long as each follows the one before. */
export function blocksOf(bytes: Buffer): number[] {
  const found: number[] = [];
  const position = decodeSegmentHeader(bytes)?.position;
  if (position === undefined) return found;
  for (let offset = SEGMENT_HEADER_BYTES; offset < bytes.length; ) {
    const block = peekBlock(bytes, offset);
    const length = BLOCK_HEADER_BYTES + (block?.length ?? 0);
    const isNext = block?.position === position + offset - SEGMENT_HEADER_BYTES;
    if (!isNext || offset + length > bytes.length) break;
    found.push(offset);
    offset += length;
  }
  return found;
}

/** Makes the checksum of a block right, whatever it says. */
export function seal(bytes: Buffer, offset: number): void {
  const block = peekBlock(bytes, offset);
  const header = decodeSegmentHeader(bytes);
  if (block === undefined || header === undefined) return;
  if (offset + BLOCK_HEADER_BYTES + block.length > bytes.length) return;
  sealBlock(bytes.subarray(offset), header.seed, block);
}
