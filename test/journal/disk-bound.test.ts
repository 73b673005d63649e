/**
 * How long the log gets: at most twice the live state and one segment, but for what is under way.
 *
 * The allowance of two batches: the one that passes the limit is written before the cleaner sees
 * it, and one more while what is logged again, at most a segment, waits for the disk.
 */
import { expect, test } from 'vitest';
import { Header, Row } from '../../src/core/layout.ts';
import { EndEntry, Entry } from '../../src/core/log-entry.ts';
import { BLOCK_HEADER_BYTES } from '../../src/journal/format.ts';
import * as h from '../core/helpers.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { newWorld, Rig, type RigOptions } from './rig.ts';

const SEGMENT = 4096;

/** What the sessions would be in one block: entries with their payloads. */
function liveBytes(rig: Rig): number {
  let sum = 0;
  for (const table of rig.tables) {
    const { words } = table.arena;
    for (const slot of h.orderOf(table)) {
      const row = table.rowOf(slot);
      const even = (bytes: number): number => Math.ceil(bytes / 8) * 8;
      sum += 4 * Entry.PAYLOADS;
      sum += even(words[row + Row.DATA_LENGTH]) + even(words[row + Row.REPLY_LENGTH]);
    }
  }
  return sum;
}

class Writer {
  readonly rig: Rig;
  readonly sessions = new Map<number, number>();
  readonly #random: (below: number) => number;
  /** The most bytes above twice the live state. */
  worst = 0;
  /** The same of the files, which are longer: one is kept, and one may be written again. */
  worstOnDisk = 0;
  longestBatch = 0;
  checksEvery = 1;
  #turns = 0;

  constructor(options: RigOptions, seed: number) {
    // As in an engine, the buffer has room for more than a slice of the cleaner.
    this.rig = new Rig(new FaultyDisk(), newWorld(), { bufferWords: 1 << 16, ...options });
    this.#random = h.random(seed);
  }

  open(id: number): void {
    this.sessions.set(id, h.open(this.rig.shardOf(id).table, id));
    this.#makeRoom();
  }

  close(id: number): void {
    const { table } = this.rig.shardOf(id);
    table.close(h.message(table, { id }));
    this.sessions.delete(id);
    this.#makeRoom();
  }

  overwrite(id: number, bytes: number): void {
    const { table } = this.rig.shardOf(id);
    const slot = table.index.find(table.hash(...h.idWords(id)), ...h.idWords(id));
    const request = h.requestOf(table, slot) + 1;
    const data = 'd'.repeat(bytes);
    h.execute(table, { id, session: this.sessions.get(id)!, request }, 'ok', data);
    this.#makeRoom();
  }

  #makeRoom(): void {
    if (!this.rig.tables[0].log!.hasRoom()) this.turn();
  }

  /** What a turn of the loop does: a batch, and a slice of the cleaner with its own. */
  turn(): void {
    const { rig } = this;
    const { log } = rig.shards[0];
    const from = log.position;
    rig.flush();
    this.longestBatch = Math.max(this.longestBatch, log.position - from);
    rig.clean();
    rig.flush();
    this.#turns += 1;
    // To sum up what lives takes long.
    if (this.#turns % this.checksEvery !== 0) return;
    const live = liveBytes(rig);
    this.worst = Math.max(this.worst, rig.logBytes - 2 * live);
    this.worstOnDisk = Math.max(this.worstOnDisk, rig.diskBytes - 2 * live);
  }

  /** Opens sessions, a few at a time, and forgets how long the log was meanwhile. */
  fill(sessions: number, bytes: number): void {
    for (let id = 1; id <= sessions; id++) {
      this.open(id);
      this.overwrite(id, bytes);
      if (id % 8 === 0) this.turn();
    }
    this.turn();
    this.worst = 0;
    this.worstOnDisk = 0;
    this.longestBatch = 0;
  }

  pick(count: number): number {
    return 1 + this.#random(count);
  }
}

/** The numbers of commits that the last walks have logged, a block's header with each. */
const COUNTS = 2 * (4 * EndEntry.WORDS + BLOCK_HEADER_BYTES);

const SIZES = [
  { sessions: 1, bytes: 16, batch: 1 },
  { sessions: 10, bytes: 64, batch: 3 },
  { sessions: 60, bytes: 16, batch: 5 },
  { sessions: 200, bytes: 64, batch: 8 },
  { sessions: 600, bytes: 40, batch: 4 },
];

test.each(SIZES)('a log of sessions that are overwritten stays short: %o', (size) => {
  const writer = new Writer({ sessionsMax: size.sessions }, size.sessions);
  writer.fill(size.sessions, size.bytes);
  for (let i = 0; i < 4_000; i++) {
    writer.overwrite(writer.pick(size.sessions), size.bytes);
    if (i % size.batch === 0) writer.turn();
  }
  expect(writer.rig.shards[0].log.oldestSegment).toBeGreaterThan(40);
  expect(writer.worst).toBeLessThanOrEqual(SEGMENT + 2 * writer.longestBatch + COUNTS);
  const onDiskMax = 2 * SEGMENT + 2 * writer.longestBatch + COUNTS;
  expect(writer.worstOnDisk).toBeLessThanOrEqual(onDiskMax);
});

test('cold sessions beside hot ones do not make a log long', () => {
  const writer = new Writer({ sessionsMax: 300 }, 5);
  writer.fill(300, 0);
  for (let i = 0; i < 6_000; i++) {
    writer.overwrite(writer.pick(6), 48);
    if (i % 4 === 0) writer.turn();
  }
  expect(writer.worst).toBeLessThanOrEqual(SEGMENT + 2 * writer.longestBatch + COUNTS);
});

test('a log follows sessions that end, and payloads that become shorter', () => {
  const writer = new Writer({ sessionsMax: 400 }, 6);
  writer.fill(400, 64);
  for (let i = 0; i < 1_200; i++) {
    writer.overwrite((i % 400) + 1, 0);
    if (i % 8 === 0) writer.turn();
  }
  writer.rig.rest();
  const allowed = SEGMENT + 2 * writer.longestBatch;
  expect(writer.rig.logBytes - 2 * liveBytes(writer.rig)).toBeLessThanOrEqual(allowed);
  for (let id = 1; id <= 390; id++) writer.close(id);
  writer.rig.rest();
  expect(writer.rig.logBytes - 2 * liveBytes(writer.rig)).toBeLessThanOrEqual(allowed);
  writer.rig.rest();
  expect(writer.rig.clean()).toBe(false);
});

test('a walk of many slices keeps up with a log that grows by more than a segment', () => {
  const sessions = 20_000;
  const options = { sessionsMax: sessions, bufferWords: 1 << 18, segmentBytesMax: 65_536 };
  const writer = new Writer(options, 7);
  writer.checksEvery = 5;
  writer.fill(sessions, 32);
  for (let i = 0; i < 60_000; i++) {
    writer.overwrite(writer.pick(sessions), 32);
    // Each slice of the cleaner: a fifth of the slots, while 50 KB are written.
    if (i % 250 === 249) writer.turn();
  }
  // Five slices look at all slots, and two more turns pass until segments are removed. A walk that
  // only measures may be under way when the limit is passed: that puts cleaning off by so many.
  expect(writer.longestBatch).toBeLessThan(65_536);
  expect(writer.worst).toBeLessThanOrEqual(65_536 + 7 * writer.longestBatch);
});

test('a slice of the cleaner looks at no more slots, and logs no more again, than it may', () => {
  const sessions = 10_000;
  const options = { sessionsMax: sessions, bufferWords: 1 << 20, segmentBytesMax: 65_536 };
  const writer = new Writer({ ...options, dataBytesMax: 256 }, 8);
  for (let id = 1; id <= sessions; id++) writer.open(id);
  for (const bytes of [256, 248]) {
    for (let id = 1; id <= sessions; id++) writer.overwrite(id, bytes);
  }
  writer.rig.flush();
  const [{ buffer, cleaner, table }] = writer.rig.shards;
  const { words } = table.arena;
  let slices = 0;
  for (; cleaner.wants() && slices < 100; slices++) {
    const before = buffer.position;
    cleaner.step();
    expect((buffer.position - before) * 4).toBeLessThanOrEqual(270 * 1024);
    writer.rig.flush();
  }
  expect(words[Header.HIGH_WATER]).toBe(sessions);
  // Three slices to measure, and at least as many to clean.
  expect(slices).toBeGreaterThanOrEqual(6);
});
