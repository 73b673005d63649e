/**
 * What an input does to a data directory: a list of changes, each chosen by a few of its bytes.
 * Some are what disks and people do. Others also make the checksums right again, as no accident
 * does: then what a block tells of may be anything, and only how it is refused counts.
 */
import { crc32 } from 'node:zlib';
import { ROW_WORDS, Row } from '../../src/core/layout.ts';
import { Entry } from '../../src/core/log-entry.ts';
import {
  BLOCK_HEADER_BYTES,
  decodeSegmentHeader,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
} from '../../src/journal/format.ts';
import type { FaultyDisk } from '../journal/faulty-disk.ts';
import { FOLDER } from '../journal/rig.ts';
import type { Choices } from './choices.ts';
import { blocksOf, MANIFEST, seal, segmentsOf } from './journal-images.ts';

const SECTOR = 512;
const BYTES_MAX = 64 * 1024;
const WORDS = [0, 1, 2, 3, 8, 12, 34, -1, -8, 0x7fffffff, -0x80000000, 0x7ffffff8, 0x101, 0x301];
const FLOATS = [0, -1, 0.5, 1e15, 2 ** 53, -(2 ** 53), 1e300, Number.NaN];
const ENDLESS = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const NAMES = [
  'g000001-s000-00000001.log',
  'g000001-s000-00000009.log',
  'g000002-s000-00000001.log',
];
const OTHER_NAMES = [
  'g000001-s001-00000002.log',
  'g000001-s900-00000001.log',
  'g000001-s000-99999999999999999999.log',
  'g000001-s000-00000000.log',
  'g000001-s000-spare.tmp',
  'sessile.json.tmp',
  'notes.txt',
];

/** What the changes so far are: whether any of them made checksums right again. */
export interface Damage {
  isHostile: boolean;
}

type Change = (disk: FaultyDisk, choices: Choices, damage: Damage) => void;

/** Puts what `edit` makes of a segment in its place. */
function edit(disk: FaultyDisk, choices: Choices, change: (bytes: Buffer) => Uint8Array): void {
  const paths = segmentsOf(disk);
  if (paths.length === 0) return;
  const path = choices.pick(paths);
  const bytes = change(Buffer.from(disk.contents(path)));
  disk.replace(path, bytes.subarray(0, BYTES_MAX));
}

const somewhere = (bytes: Buffer, choices: Choices): number => choices.below(bytes.length + 1);

/** A block of a segment, from where to where; nothing when it has none. */
function blockAt(bytes: Buffer, choices: Choices): [from: number, to: number] {
  const blocks = blocksOf(bytes);
  if (blocks.length === 0) return [bytes.length, bytes.length];
  const offset = choices.pick(blocks);
  return [offset, offset + BLOCK_HEADER_BYTES + bytes.readUInt32LE(offset + 8)];
}

/** Changes that need no knowledge of checksums. */
const ACCIDENTS: readonly Change[] = [
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const at = somewhere(bytes, choices);
      if (at < bytes.length) bytes[at] ^= 1 << choices.below(8);
      return bytes;
    }),
  (disk, choices) => edit(disk, choices, (bytes) => bytes.subarray(0, somewhere(bytes, choices))),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const [from, to] = blockAt(bytes, choices);
      return bytes.subarray(0, choices.below(2) === 0 ? from : to);
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const noise = Buffer.from(choices.bytes(1 + choices.below(40)));
      return Buffer.concat([bytes, noise, Buffer.alloc(choices.below(1024))]);
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const block = bytes.subarray(...blockAt(bytes, choices));
      const at = choices.below(2) === 0 ? bytes.length : blockAt(bytes, choices)[0];
      return Buffer.concat([bytes.subarray(0, at), block, bytes.subarray(at)]);
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const [from, to] = blockAt(bytes, choices);
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const block = Buffer.from(bytes.subarray(...blockAt(bytes, choices)));
      const [at] = blockAt(bytes, choices);
      bytes.set(block.subarray(0, bytes.length - at), at);
      return bytes;
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const at = Math.floor(somewhere(bytes, choices) / SECTOR) * SECTOR;
      bytes.fill(choices.pick([0, 0xff]), at, Math.min(at + SECTOR, bytes.length));
      return bytes;
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const [from] = blockAt(bytes, choices);
      const at = from + choices.below(BLOCK_HEADER_BYTES / 4) * 4;
      if (at + 4 <= bytes.length) bytes.writeInt32LE(choices.pick(WORDS), at);
      return bytes;
    }),
  (disk, choices) => {
    const paths = segmentsOf(disk);
    if (paths.length > 0) disk.forget(choices.pick(paths));
  },
  (disk, choices) => {
    // The first segments of a shard, as if they had been cleaned up.
    const shard = choices.below(2);
    for (const path of segmentsOf(disk, shard).slice(0, 1 + choices.below(4))) disk.forget(path);
  },
  (disk, choices) => move(disk, choices, true),
  (disk, choices) => move(disk, choices, false),
  (disk, choices) => {
    const paths = segmentsOf(disk);
    if (paths.length === 0) return;
    const [one, other] = [choices.pick(paths), choices.pick(paths)];
    const bytes = disk.contents(one);
    disk.replace(one, disk.contents(other));
    disk.replace(other, bytes);
  },
  (disk, choices) => {
    if (!disk.list(FOLDER).includes('sessile.json')) return;
    const bytes = Buffer.from(disk.contents(MANIFEST));
    const how = choices.below(3);
    if (how === 0) disk.forget(MANIFEST);
    else if (how === 1) disk.replace(MANIFEST, bytes.subarray(0, somewhere(bytes, choices)));
    else disk.replace(MANIFEST, choices.bytes(choices.below(20)));
  },
];

/** Gives a segment another name, or has it under two. */
function move(disk: FaultyDisk, choices: Choices, removes: boolean): void {
  const paths = segmentsOf(disk);
  if (paths.length === 0) return;
  const path = choices.pick(paths);
  const bytes = disk.contents(path);
  if (removes) disk.forget(path);
  disk.replace(`${FOLDER}/${choices.pick([...NAMES, ...OTHER_NAMES])}`, bytes);
}

/** Changes after which the checksums are right. */
const FORGERIES: readonly Change[] = [
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      // A field of the first session that a block tells of.
      const [from] = blockAt(bytes, choices);
      const row = from + BLOCK_HEADER_BYTES + 4 * Entry.ROW;
      if (row + 4 * ROW_WORDS > bytes.length) return bytes;
      if (choices.below(2) === 0) {
        bytes.writeInt32LE(choices.pick(WORDS), row + 4 * choices.below(ROW_WORDS));
      } else {
        const field = choices.pick([Row.DEADLINE, Row.COMMIT, Row.VERSION, Row.CREATED]);
        bytes.writeDoubleLE(choices.pick([...FLOATS, ...ENDLESS]), row + 4 * field);
      }
      seal(bytes, from);
      return bytes;
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const [from, to] = blockAt(bytes, choices);
      const at = from + BLOCK_HEADER_BYTES + choices.below(Math.max(1, (to - from) / 4)) * 4;
      if (at + 4 <= bytes.length) bytes.writeInt32LE(choices.pick(WORDS), at);
      seal(bytes, from);
      return bytes;
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const [from, to] = blockAt(bytes, choices);
      const at = from + BLOCK_HEADER_BYTES + choices.below(Math.max(1, (to - from) / 8)) * 8;
      if (at + 8 <= bytes.length) bytes.writeDoubleLE(choices.pick([...FLOATS, ...ENDLESS]), at);
      seal(bytes, from);
      return bytes;
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const [from, to] = blockAt(bytes, choices);
      const at = from + BLOCK_HEADER_BYTES + choices.below(Math.max(1, to - from));
      if (at < bytes.length) bytes[at] ^= 1 << choices.below(8);
      seal(bytes, from);
      return bytes;
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      const [from] = blockAt(bytes, choices);
      const field = choices.pick([8, 12, 16, 24, 32]);
      if (from + BLOCK_HEADER_BYTES > bytes.length) return bytes;
      if (field < 16) bytes.writeInt32LE(choices.pick(WORDS), from + field);
      else bytes.writeDoubleLE(choices.pick([...FLOATS, ...ENDLESS]), from + field);
      seal(bytes, from);
      return bytes;
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      if (decodeSegmentHeader(bytes) === undefined) return bytes;
      const field = choices.pick([8, 12, 16, 20, 24, 28, 32, 36]);
      if (field === 32) bytes.writeDoubleLE(choices.pick([...FLOATS, ...ENDLESS]), field);
      else bytes.writeInt32LE(choices.pick(WORDS), field);
      bytes.writeUInt32LE(crc32(bytes.subarray(0, SEGMENT_HEADER_BYTES - 4)), 60);
      return bytes;
    }),
  (disk, choices) =>
    edit(disk, choices, (bytes) => {
      // A segment of another directory, or one that begins elsewhere in the log.
      const header = decodeSegmentHeader(bytes);
      if (header === undefined) return bytes;
      const engine = choices.below(2) === 0 ? header.engine : 'ff'.repeat(16);
      const position = header.position + choices.pick([0, 8, -8, 2 ** 40]);
      bytes.set(encodeSegmentHeader({ ...header, engine, position }));
      return bytes;
    }),
  (disk, choices) => {
    if (!disk.list(FOLDER).includes('sessile.json')) return;
    let manifest: Record<string, unknown>;
    try {
      manifest = JSON.parse(Buffer.from(disk.contents(MANIFEST)).toString());
    } catch {
      return;
    }
    if (typeof manifest !== 'object' || manifest === null) return;
    const fields = ['format', 'engine', 'generation', 'shards', 'sessionsMax', 'seedA', 'seedB'];
    const values = [0, 1, 2, 3, 5, 128, 129, -1, 0.5, 2 ** 30, 2 ** 53, 1e300, null, 'x', [], {}];
    manifest[choices.pick(fields)] = choices.pick(values);
    disk.replace(MANIFEST, Buffer.from(JSON.stringify(manifest)));
  },
];

const CHANGES_MAX = 5;
/** More than there are: another one takes the next place, and kept inputs mean what they meant. */
const ACCIDENT_PLACES = 24;
const FORGERY_PLACES = 16;

/** Changes a directory as an input says. */
export function damage(disk: FaultyDisk, choices: Choices): Damage {
  const done: Damage = { isHostile: false };
  for (let i = 0; i < CHANGES_MAX && !choices.isOver; i++) {
    const which = choices.below(ACCIDENT_PLACES + FORGERY_PLACES);
    const isForgery = which >= ACCIDENT_PLACES;
    if (isForgery) done.isHostile = true;
    const changes = isForgery ? FORGERIES : ACCIDENTS;
    const place = isForgery ? which - ACCIDENT_PLACES : which;
    const change = changes[place] ?? changes[place % changes.length];
    change(disk, choices, done);
  }
  return done;
}
