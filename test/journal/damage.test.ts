/**
 * Files that are not as they were written: torn ends are cut off, everything else is refused with
 * the file and the offset, and a refused start changes nothing.
 */
import { expect, test } from 'vitest';
import { SessileError } from '../../src/core/errors.ts';
import { Row, RowByte, RowFlag } from '../../src/core/layout.ts';
import { EndEntry, Entry } from '../../src/core/log-entry.ts';
import { Kind } from '../../src/core/message.ts';
import { examine } from '../../src/journal/examine.ts';
import {
  BLOCK_HEADER_BYTES,
  decodeSegmentHeader,
  peekBlock,
  SEGMENT_HEADER_BYTES,
  sealBlock,
} from '../../src/journal/format.ts';
import { planRepair, repair } from '../../src/journal/repair.ts';
import * as h from '../core/helpers.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { sessionsOf } from './oracle.ts';
import { FOLDER, newWorld, Rig, type RigOptions } from './rig.ts';

const MANIFEST = `${FOLDER}/sessile.json`;
const segment = (number: number, shard = 0): string => {
  return `${FOLDER}/g000001-s00${shard}-0000000${number}.log`;
};

interface Written {
  disk: FaultyDisk;
  /** Where each block of the last segment begins and, last, where they end; what it left. */
  blocks: { offset: number; state: string[] }[];
}

const stateOf = (rig: Rig): string[] =>
  rig.tables.flatMap((table) => sessionsOf(rig, table).map(({ id, kept }) => `${id} ${kept}`));

/** Five blocks in the first segment, and if wanted as many in each of further runs. */
function written(runs = 1): Written {
  const disk = new FaultyDisk();
  const world = newWorld();
  let blocks: Written['blocks'] = [];
  for (let run = 0; run < runs; run++) {
    const rig = new Rig(disk, world);
    const [{ table, log }] = rig.shards;
    blocks = [{ offset: log.tail.offset, state: stateOf(rig) }];
    for (let id = 1; id <= 5; id++) {
      if (run === 0) h.open(table, id);
      const slot = h.orderOf(table).find((at) => h.idOf(table, at) === id)!;
      const session = h.sessionOf(table, slot);
      const reply = `reply ${run} ${id}`;
      h.execute(table, { id, session, request: run + 1 }, reply, `data ${id}`);
      rig.flush();
      blocks.push({ offset: log.tail.offset, state: stateOf(rig) });
    }
  }
  return { disk, blocks };
}

/** The error of a start that must be refused, and must not have changed anything. */
function refused(disk: FaultyDisk, options: RigOptions = {}): SessileError {
  const image = disk.image();
  let thrown: unknown;
  try {
    new Rig(disk, newWorld(), options);
  } catch (error) {
    thrown = error;
  }
  if (!(thrown instanceof SessileError)) throw new Error('the start is refused', { cause: thrown });
  expect(disk.image()).toEqual(image);
  expect(disk.openFiles).toBe(0);
  return thrown;
}

function changed(
  disk: FaultyDisk,
  path: string,
  change: (bytes: Buffer) => Uint8Array,
): FaultyDisk {
  const copy = disk.copy();
  copy.replace(path, change(Buffer.from(copy.contents(path))));
  return copy;
}

const flipped = (disk: FaultyDisk, path: string, at: number, bit = 0): FaultyDisk =>
  changed(disk, path, (bytes) => {
    bytes[at] ^= 1 << bit;
    return bytes;
  });

test('a last segment that is cut anywhere gives the blocks that are whole', () => {
  const { disk, blocks } = written();
  const { length } = disk.contents(segment(1));
  expect(blocks.at(-1)!.offset).toBe(length);
  for (let cut = SEGMENT_HEADER_BYTES; cut <= length; cut++) {
    const left = changed(disk, segment(1), (bytes) => bytes.subarray(0, cut));
    const rig = new Rig(left, newWorld());
    const whole = blocks.findLast(({ offset }) => offset <= cut)!;
    expect(stateOf(rig)).toEqual(whole.state);
    expect(rig.recovered.tornBytes).toBe(cut - whole.offset);
    // What was cut off stays so, and the log goes on behind it.
    rig.flush();
    expect(stateOf(new Rig(left.copy(), newWorld()))).toEqual(whole.state);
  }
});

test('zeros or noise behind the last block are cut off', () => {
  const { disk, blocks } = written();
  const random = h.random(3);
  for (const noise of [new Uint8Array(900), Uint8Array.from({ length: 900 }, () => random(256))]) {
    const left = changed(disk, segment(1), (bytes) => Buffer.concat([bytes, noise]));
    const rig = new Rig(left, newWorld());
    expect(stateOf(rig)).toEqual(blocks.at(-1)!.state);
    // As a file has them that was a segment before: nothing of this log.
    expect(rig.recovered.tornBytes).toBe(0);
  }
});

test('a bit flipped in a block that another one followed is damage, wherever it is', () => {
  const { disk, blocks } = written();
  for (let index = 0; index < 4; index++) {
    const { offset } = blocks[index];
    for (let at = offset; at < blocks[index + 1].offset; at += 3) {
      const error = refused(flipped(disk, segment(1), at, at % 8));
      expect(error).toMatchObject({ code: 'storage_corrupt', details: { offset } });
      expect(error.details.path).toBe(segment(1));
      expect(error.message).toContain(`${segment(1)} at offset ${offset}`);
    }
  }
});

test('a bit flipped in the last block of a segment that another one follows is damage', () => {
  const { disk } = written(2);
  const { length } = disk.contents(segment(1));
  const error = refused(flipped(disk, segment(1), length - 5));
  expect(error).toMatchObject({ code: 'storage_corrupt', details: { path: segment(1) } });
});

test('a bit flipped in the header of a segment is damage', () => {
  const { disk } = written();
  for (let at = 0; at < SEGMENT_HEADER_BYTES; at++) {
    const error = refused(flipped(disk, segment(1), at, at % 8));
    expect(error).toMatchObject({ code: 'storage_corrupt', details: { path: segment(1) } });
  }
});

test('a segment that is missing is named, in the middle or of a whole shard', () => {
  const { disk } = written(3);
  const middle = disk.copy();
  middle.forget(segment(2));
  const error = refused(middle);
  expect(error.code).toBe('storage_corrupt');
  expect(error.message).toContain('segment 2 before it is missing');
  const none = disk.copy();
  for (const number of [1, 2, 3]) none.forget(segment(number));
  expect(refused(none).message).toContain('no segment of shard 0');
});

test('segments of another directory, shard or place are refused', () => {
  const { disk } = written(2);
  const other = written(2).disk;
  for (const number of [1, 2]) {
    const mixed = changed(disk, segment(number), () => other.contents(segment(number)));
    expect(refused(mixed)).toMatchObject({ code: 'storage_corrupt' });
  }
  const moved = changed(disk, segment(2), () => disk.contents(segment(1)));
  expect(refused(moved).message).toContain('the header is that of another segment');
  const extra = disk.copy();
  extra.replace(segment(1, 1), disk.contents(segment(1)));
  expect(refused(extra).code).toBe('storage_corrupt');
});

test('a name with a number that no segment can have is that of no segment', () => {
  const { disk } = written();
  const left = disk.copy();
  left.replace(`${FOLDER}/g000001-s000-${'9'.repeat(20)}.log`, disk.contents(segment(1)));
  left.replace(`${FOLDER}/g000001-s000-${2 ** 31}.log`, disk.contents(segment(1)));
  expect(stateOf(new Rig(left.copy(), newWorld()))).toEqual(stateOf(new Rig(disk, newWorld())));
  left.forget(segment(1));
  const found = examine(left, FOLDER);
  expect(found.segments).toEqual([]);
  repair(left, FOLDER, found, planRepair(found));
  expect(refused(left).message).toContain('no segment of shard 0');
});

const GARBLED = ['', '{', 'null', '7', '[]', '{}', '{"format":1}', 'x'.repeat(70_000)];

test.each(GARBLED)('a manifest that is none is refused: %j', (text) => {
  const { disk } = written();
  const error = refused(changed(disk, MANIFEST, () => Buffer.from(text)));
  expect(error).toMatchObject({ code: 'storage_corrupt', details: { path: MANIFEST } });
});

test('a manifest with numbers that cannot be is refused', () => {
  const { disk } = written();
  const manifest = JSON.parse(Buffer.from(disk.contents(MANIFEST)).toString());
  for (const wrong of [
    { shards: 0 },
    { shards: -1 },
    { shards: 1e9 },
    { sessionsMax: 0 },
    { sessionsMax: 2 ** 31 },
    { generation: 2 ** 40 },
    { generation: 1.5 },
    { engine: 'me' },
    { seedA: 'x' },
  ]) {
    const text = JSON.stringify({ ...manifest, ...wrong });
    const error = refused(changed(disk, MANIFEST, () => Buffer.from(text)));
    expect(error.code).toBe('storage_corrupt');
  }
});

test('a manifest of another format is named as such, whatever else it says', () => {
  const { disk } = written();
  const error = refused(changed(disk, MANIFEST, () => Buffer.from('{"format":2,"new":true}')));
  expect(error).toMatchObject({ code: 'storage_format', details: { format: 2 } });
});

test('segments without a manifest, or of another generation than it names, are left alone', () => {
  const { disk } = written();
  const without = disk.copy();
  without.forget(MANIFEST);
  expect(refused(without).code).toBe('storage_corrupt');
  const later = changed(disk, MANIFEST, (bytes) => {
    return Buffer.from(bytes.toString().replace('"generation": 1', '"generation": 2'));
  });
  expect(refused(later).code).toBe('storage_corrupt');
});

test('an entry that cannot be is refused although its block is whole', async () => {
  const { disk, blocks } = written();
  const { isBlock, peekBlock, sealBlock, decodeSegmentHeader } = await import(
    '../../src/journal/format.ts'
  );
  const { offset } = blocks[1];
  for (const words of [0, 1, 3, 2 ** 20]) {
    const wrong = changed(disk, segment(1), (bytes) => {
      const { seed } = decodeSegmentHeader(bytes)!;
      const header = peekBlock(bytes, offset)!;
      bytes.writeUInt32LE(words, offset + BLOCK_HEADER_BYTES);
      sealBlock(bytes.subarray(offset), seed, header);
      expect(isBlock(bytes, offset, header.length, seed)).toBe(true);
      return bytes;
    });
    const error = refused(wrong);
    expect(error).toMatchObject({ code: 'storage_corrupt', details: { offset } });
  }
});

/** What is put into the row of a session: 4 bytes as an integer, 8 as a float. */
const IMPOSSIBLE: readonly [string, number, number, 4 | 8][] = [
  ['a session 0', Row.SESSION_LOW, 0, 4],
  ['a session above 2^53', Row.SESSION_HIGH, 0x200000, 4],
  ['no flag that it lives', Row.FLAGS, 0, 4],
  ['a status that there is not', Row.FLAGS, RowFlag.LIVE | (99 << RowByte.STATUS), 4],
  ['a TTL of 0', Row.TTL_MS, 0, 4],
  ['a TTL and the flag of never', Row.TTL_MS, 5_000, 4],
  ['data of a negative length', Row.DATA_LENGTH, -8, 4],
  ['a reply of a negative length', Row.REPLY_LENGTH, -0x80000000, 4],
  ['a reply longer than there are', Row.REPLY_LENGTH, 0x7ffffff8, 4],
  ['a commit before its session', Row.COMMIT, 0.5, 8],
  ['a commit of no number', Row.COMMIT, Number.NaN, 8],
  ['a commit without end', Row.COMMIT, Number.POSITIVE_INFINITY, 8],
  ['a commit above 2^53', Row.COMMIT, 2 ** 60, 8],
  ['a deadline of no number', Row.DEADLINE, Number.NaN, 8],
  ['a deadline without end', Row.DEADLINE, Number.NEGATIVE_INFINITY, 8],
  ['a version below 0', Row.VERSION, -1, 8],
  ['a creation of no number', Row.CREATED, Number.NaN, 8],
  ['a rate above any', Row.RATE_PER_SECOND, 0x7fffffff, 4],
  ['a burst below 0', Row.RATE_BURST, -1, 4],
  ['capabilities that no service has', Row.CAPABILITIES, -0x80000000, 4],
];

test.each(IMPOSSIBLE)(
  'a session with %s is refused although its block is whole',
  (_, at, to, n) => {
    const { disk, blocks } = written();
    const [, { offset }] = blocks;
    const row = offset + BLOCK_HEADER_BYTES + 4 * Entry.ROW;
    const wrong = changed(disk, segment(1), (bytes) => {
      if (n === 4) bytes.writeInt32LE(to, row + 4 * at);
      else bytes.writeDoubleLE(to, row + 4 * at);
      sealBlock(
        bytes.subarray(offset),
        decodeSegmentHeader(bytes)!.seed,
        peekBlock(bytes, offset)!,
      );
      return bytes;
    });
    expect(refused(wrong)).toMatchObject({ code: 'storage_corrupt', details: { offset } });
  },
);

test('an end with a count of commits that cannot be is refused although its block is whole', () => {
  for (const commits of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
    const disk = new FaultyDisk();
    const rig = new Rig(disk, newWorld());
    const [{ table, log }] = rig.shards;
    h.admit([table], { id: 1 });
    rig.flush();
    const session = h.sessionOf(table, 0);
    const { offset } = log.tail;
    table.close(h.message(table, { id: 1, session, kind: Kind.CLOSE }));
    rig.flush();
    const wrong = changed(disk, segment(1), (bytes) => {
      bytes.writeDoubleLE(commits, offset + BLOCK_HEADER_BYTES + 4 * EndEntry.COMMITS);
      const { seed } = decodeSegmentHeader(bytes)!;
      sealBlock(bytes.subarray(offset), seed, peekBlock(bytes, offset)!);
      return bytes;
    });
    expect(refused(wrong)).toMatchObject({ code: 'storage_corrupt', details: { offset } });
  }
});

test('a block whose clocks are no numbers is refused', () => {
  for (const wallOffsetMs of [Number.NaN, Number.POSITIVE_INFINITY, -1e300]) {
    const { disk, blocks } = written();
    const [, { offset }] = blocks;
    const wrong = changed(disk, segment(1), (bytes) => {
      const header = { ...peekBlock(bytes, offset)!, wallOffsetMs };
      sealBlock(bytes.subarray(offset), decodeSegmentHeader(bytes)!.seed, header);
      return bytes;
    });
    expect(refused(wrong)).toMatchObject({ code: 'storage_corrupt', details: { offset } });
  }
});

test('two sessions of one commit are refused', () => {
  const { disk, blocks } = written();
  const commitAt = (index: number): number =>
    blocks[index].offset + BLOCK_HEADER_BYTES + 4 * (Entry.ROW + Row.COMMIT);
  const wrong = changed(disk, segment(1), (bytes) => {
    bytes.copyWithin(commitAt(4), commitAt(3), commitAt(3) + 8);
    const { offset } = blocks[4];
    sealBlock(bytes.subarray(offset), decodeSegmentHeader(bytes)!.seed, peekBlock(bytes, offset)!);
    return bytes;
  });
  expect(refused(wrong).code).toBe('storage_corrupt');
});

test('data that looks like headers of blocks behind a torn end does not hold up a start', () => {
  const { disk, blocks } = written();
  const end = blocks.at(-1)!.offset;
  // As many as fit, each of which says that it is nearly as long as what follows it.
  const bytes = Buffer.alloc(8 * 1024 * 1024);
  for (let at = 0; at + 32 <= bytes.length; at += 32) {
    const length = Math.max(0, Math.floor((bytes.length - at - BLOCK_HEADER_BYTES - 64) / 8) * 8);
    const header = { length, position: end + at, synced: end + 1, wallOffsetMs: 0 };
    const one = Buffer.alloc(BLOCK_HEADER_BYTES);
    sealBlock(one, 0, { ...header, length: 0 });
    one.writeUInt32LE(length, 8);
    one.copy(bytes, at, 0, 32);
  }
  const left = changed(disk, segment(1), (whole) => Buffer.concat([whole, bytes]));
  // A check of every one of them takes minutes.
  expect(stateOf(new Rig(left, newWorld()))).toEqual(blocks.at(-1)!.state);
});
