/**
 * The buffer, the format and the writer by themselves.
 */
import { expect, test } from 'vitest';
import { createLogBuffer, LogBuffer, LogState } from '../../src/core/log-buffer.ts';
import {
  BLOCK_HEADER_BYTES,
  type BlockHeader,
  decodeSegmentHeader,
  encodeSegmentHeader,
  FORMAT_VERSION,
  isBlock,
  peekBlock,
  SEGMENT_HEADER_BYTES,
  sealBlock,
} from '../../src/journal/format.ts';
import { Appended, Batch, NoLog } from '../../src/journal/log.ts';
import { notedTail, noteTail } from '../../src/journal/log-notes.ts';
import { LogWriter } from '../../src/journal/log-writer.ts';
import * as h from '../core/helpers.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { difference, sessionsOf } from './oracle.ts';
import { newWorld, Rig } from './rig.ts';
import { Workload } from './workload.ts';

const KIND = 2;

/** Appends an entry of so many words that are all the same number. */
function push(buffer: LogBuffer, words: number, value: number): void {
  const at = buffer.claim(words, KIND);
  buffer.words.fill(value, at + 2, at + words);
  buffer.push(at);
}

/** The entries of a batch, as [words, value]. */
function entriesOf(bytes: Uint8Array, length: number): [number, number][] {
  const words = new Int32Array(bytes.slice(0, length).buffer);
  const found: [number, number][] = [];
  for (let at = 0; at < words.length; at += words[at]) {
    const isWhole = new Set(words.subarray(at + 2, at + words[at])).size === 1;
    if (words[at + 1] !== KIND || !isWhole) throw new Error(`no entry at word ${at}`);
    found.push([words[at], words[at + 2]]);
  }
  return found;
}

test('entries of any lengths come out in batches as they went in, over many laps', () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = h.random(seed);
    const buffer = new LogBuffer(createLogBuffer(128));
    const bytes = new Uint8Array(128 * 4);
    const expected: [number, number][] = [];
    const found: [number, number][] = [];
    let unused = 0;
    let counted = 0;
    for (let value = 1; value <= 1_000; value++) {
      const words = 4 + 2 * random(14);
      while (!buffer.hasRoom(words)) {
        buffer.publish();
        const { tail } = buffer;
        const length = buffer.copyBatch(tail, bytes, 0);
        expect(buffer.countMarked(tail, KIND)).toBe(entriesOf(bytes, length).length);
        expect(buffer.countMarked(tail, ~KIND)).toBe(0);
        counted += buffer.countMarked(tail, KIND);
        // The same again, as for a writer that takes over.
        expect(entriesOf(bytes, buffer.copyBatch(tail, bytes, 0))).toEqual(
          entriesOf(bytes, length),
        );
        found.push(...entriesOf(bytes, length));
        buffer.release(tail, 0);
      }
      const before = buffer.position;
      push(buffer, words, value);
      if (((buffer.position - before) | 0) !== words) unused += 1;
      expected.push([words, value]);
    }
    buffer.publish();
    counted += buffer.countMarked(buffer.tail, KIND);
    found.push(...entriesOf(bytes, buffer.copyBatch(buffer.tail, bytes, 0)));
    expect(found).toEqual(expected);
    expect(counted).toBe(expected.length);
    expect(unused).toBeGreaterThan(50);
  }
});

/** The word of a buffer that holds the tail of whoever appends. */
const TAIL = 64;

test('what is not published is not taken, and positions wrap', () => {
  const buffer = new LogBuffer(createLogBuffer(64));
  push(buffer, 4, 1);
  expect(buffer.hasEntries()).toBe(false);
  expect(buffer.publish()).toBe(true);
  expect(buffer.publish()).toBe(false);
  expect(buffer.hasEntries()).toBe(true);
  expect(buffer.isDurable(buffer.position)).toBe(false);
  buffer.setDurable(buffer.position);
  expect(buffer.isDurable(buffer.position)).toBe(true);
  // Far ahead of the tail lies what was appended before the positions wrapped around.
  expect(buffer.isDurable(2 ** 30)).toBe(true);
  buffer.words[TAIL] = (2 ** 31 + 3) | 0;
  buffer.setDurable(2 ** 31 - 1);
  expect(buffer.isDurable((2 ** 31 + 3) | 0)).toBe(false);
  expect(buffer.isDurable(2 ** 31 - 5)).toBe(true);
});

test('the header of a segment is read as it was written, and not with any bit changed', () => {
  const header = {
    version: FORMAT_VERSION,
    shard: 3,
    shards: 128,
    generation: 70_000,
    number: 4_000_000_000,
    seed: 0xfedcba98,
    position: 2 ** 51 + 8,
    engine: '00112233445566778899aabbccddeeff',
  };
  const bytes = Buffer.from(encodeSegmentHeader(header));
  expect(decodeSegmentHeader(bytes)).toEqual(header);
  expect(decodeSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES - 1))).toBeUndefined();
  for (let bit = 0; bit < SEGMENT_HEADER_BYTES * 8; bit++) {
    bytes[bit >> 3] ^= 1 << (bit & 7);
    expect(decodeSegmentHeader(bytes)).toBeUndefined();
    bytes[bit >> 3] ^= 1 << (bit & 7);
  }
});

test.each([Number.NaN, Infinity, -8, 0.5, 2 ** 53])(
  'no log has a segment at position %s',
  (position) => {
    const engine = '00112233445566778899aabbccddeeff';
    const rest = { shard: 0, shards: 1, generation: 1, number: 1, seed: 1, engine };
    const encoded = (version: number) =>
      Buffer.from(encodeSegmentHeader({ ...rest, version, position }));
    expect(decodeSegmentHeader(encoded(FORMAT_VERSION))).toBeUndefined();
    // What lies there in another version is not known; the version is what must be told.
    expect(decodeSegmentHeader(encoded(FORMAT_VERSION + 1))?.version).toBe(FORMAT_VERSION + 1);
  },
);

test('a block is read as it was sealed, and not with any bit changed or of another segment', () => {
  const header: BlockHeader = { length: 16, position: 2 ** 40, synced: 7, wallOffsetMs: -0.25 };
  const bytes = Buffer.alloc(BLOCK_HEADER_BYTES + 16, 9);
  sealBlock(bytes, 5, header);
  expect(peekBlock(bytes, 0)).toEqual(header);
  expect(isBlock(bytes, 0, 16, 5)).toBe(true);
  expect(isBlock(bytes, 0, 16, 6)).toBe(false);
  expect(peekBlock(bytes, 32)).toBeUndefined();
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3] ^= 1 << (bit & 7);
    expect(isBlock(bytes, 0, 16, 5)).toBe(false);
    bytes[bit >> 3] ^= 1 << (bit & 7);
  }
});

test('the place where a log goes on is noted whole', () => {
  const buffer = new LogBuffer(createLogBuffer(64));
  for (const tail of [
    { segment: 1, offset: 64 },
    { segment: 2 ** 21 - 1, offset: 2 ** 32 - 8 },
  ]) {
    noteTail(buffer, tail);
    expect(notedTail(buffer)).toEqual(tail);
  }
});

function writerOf(buffer: LogBuffer, log: NoLog): { writer: LogWriter; failures: Error[] } {
  const failures: Error[] = [];
  const hooks = {
    wallOffsetMs: () => 0,
    progressed: () => {},
    failed: (error: Error) => failures.push(error),
  };
  return { writer: new LogWriter(buffer, log, hooks), failures };
}

test('a log that keeps nothing takes everything', () => {
  const buffer = new LogBuffer(createLogBuffer(64));
  const log = new NoLog();
  const { writer, failures } = writerOf(buffer, log);
  for (let i = 0; i < 40; i++) {
    push(buffer, 8, i);
    buffer.publish();
    expect(writer.isIdle).toBe(false);
    writer.pump(0);
    expect(writer.isIdle).toBe(true);
    expect(buffer.isDurable(buffer.position)).toBe(true);
  }
  expect(log.position).toBe(40 * 8 * 4);
  expect(failures).toEqual([]);
});

test('an append at a place where another writer has been is refused', () => {
  const log = new NoLog();
  const batch = new Batch(64);
  batch.length = 32;
  const outcomes: Appended[] = [];
  log.append(batch, 0, (outcome) => outcomes.push(outcome));
  log.append(batch, 0, (outcome) => outcomes.push(outcome));
  log.append(batch, 32, (outcome) => outcomes.push(outcome));
  expect(outcomes).toEqual([Appended.DONE, Appended.FAILED, Appended.DONE]);
  expect(log.position).toBe(64);
});

test('a log in files refuses a place that is not its own, and then everything', () => {
  const rig = new Rig(new FaultyDisk(), newWorld());
  const [{ table, log, buffer }] = rig.shards;
  h.open(table, 1);
  rig.flush();
  const batch = new Batch(64);
  const outcomes: Appended[] = [];
  log.append(batch, log.position - 8, (outcome) => outcomes.push(outcome));
  log.append(batch, log.position, (outcome) => outcomes.push(outcome));
  expect(outcomes).toEqual([Appended.FAILED, Appended.FAILED]);
  h.open(table, 2);
  rig.flush();
  expect(buffer.state).toBe(LogState.FAILED);
  expect(buffer.isDurable(buffer.position)).toBe(false);
});

test.each([1, 2, 3, 4, 5, 6])('a writer replaced in a batch loses nothing: seed %i', (seed) => {
  const random = h.random(seed);
  const disk = new FaultyDisk();
  disk.holdsSyncs = true;
  const rig = new Rig(disk, newWorld(), { blocks: false });
  const workload = new Workload(rig, disk, seed);
  const [shard] = rig.shards;
  let replaced = 0;
  for (let i = 0; i < 60; i++) {
    workload.run(1 + random(8));
    rig.publish();
    rig.pump();
    // What the dead thread had asked the system for may still happen; nobody hears of it.
    if (shard.writer.isBusy) replaced += 1;
    disk.dropSyncs();
    rig.replaceWriter(shard);
  }
  workload.rest();
  expect(replaced).toBeGreaterThan(20);
  expect(rig.failures).toEqual([]);
  const again = new Rig(disk.crash(random), rig.world);
  const state = sessionsOf(again, again.tables[0]);
  expect(difference(workload.oracles[0].snapshots.at(-1)!, state)).toBeUndefined();
});
