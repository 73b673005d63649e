/** The log buffer and the segment files where threads die, syncs overlap and disks are full. */
import { describe, expect, test } from 'vitest';
import { createLogBuffer, LogBuffer } from '../../src/core/log-buffer.ts';
import { createSegment, FileLog, type FileLogConfig } from '../../src/journal/file-log.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/journal/format.ts';
import { Appended, Batch } from '../../src/journal/log.ts';
import { notedTail, noteTail } from '../../src/journal/log-notes.ts';
import { LogWriter } from '../../src/journal/log-writer.ts';
import { FOLDER, MemoryDisk } from './life.ts';

const NO_ROOM = Object.assign(new Error('full'), { code: 'ENOSPC' });
const FIRST = { segment: 1, offset: SEGMENT_HEADER_BYTES };

function configOf(fields: Partial<FileLogConfig> = {}): FileLogConfig {
  return {
    folder: FOLDER,
    engine: '0'.repeat(32),
    generation: 1,
    shard: 0,
    shards: 1,
    segmentBytesMax: 4_096,
    syncs: false,
    blocks: false,
    ...fields,
  };
}

function startLog(disk: MemoryDisk, fields: Partial<FileLogConfig> = {}): FileLog {
  const config = configOf(fields);
  disk.close(createSegment(disk, config, 1, 0).file);
  return new FileLog(disk, config, FIRST);
}

function append(log: FileLog, bytes: number): Appended | undefined {
  const batch = new Batch(bytes);
  batch.length = bytes;
  let outcome: Appended | undefined;
  log.append(batch, log.position, (given) => {
    outcome = given;
  });
  return outcome;
}

describe('a log buffer', () => {
  test('gives no words that an entry skipped which a dead thread has not completed', () => {
    const buffer = new LogBuffer(createLogBuffer(64));
    const entry = (words: number): void => buffer.push(buffer.claim(words, 1));
    entry(40);
    buffer.publish();
    buffer.release(buffer.tail, 0);
    entry(12);
    // It does not fit before the end, and its thread dies before it is complete.
    buffer.claim(20, 1);
    buffer.publish();
    const bytes = new Uint8Array(64 * 4);
    expect(buffer.copyBatch(buffer.tail, bytes, 0)).toBe(12 * 4);
  });

  test('forgets what was skipped in an earlier round', () => {
    const buffer = new LogBuffer(createLogBuffer(64));
    const write = (words: number): number => {
      buffer.push(buffer.claim(words, 1));
      buffer.publish();
      const copied = buffer.copyBatch(buffer.tail, new Uint8Array(64 * 4), 0);
      buffer.release(buffer.tail, 0);
      return copied;
    };
    write(40);
    write(30);
    write(2);
    write(32);
    // Positions have wrapped since, and every entry has fitted exactly.
    for (const at of [0, 32, 64, 65]) buffer.words[at] = 0;
    expect(write(32) + write(32)).toBe(64 * 4);
  });
});

/** Hooks of a writer that nothing listens to. */
const QUIET = { wallOffsetMs: () => 0, progressed: () => {}, failed: () => {} };

test('a writer finds durable what one that died had written and not lived to say so', () => {
  const disk = new MemoryDisk();
  const buffer = new LogBuffer(createLogBuffer(64));
  noteTail(buffer, FIRST);
  const log = startLog(disk);
  const writer = new LogWriter(buffer, log, QUIET);
  // Its thread is ended between its last two steps.
  buffer.setDurable = () => {};
  buffer.push(buffer.claim(12, 1));
  buffer.publish();
  expect(writer.pump(0)).toBe(true);
  expect(buffer.hasEntries()).toBe(false);
  log.close();
  const found = new LogBuffer(buffer.memory);
  expect(found.isDurable(found.position)).toBe(false);
  new LogWriter(found, new FileLog(disk, configOf(), notedTail(found)), QUIET);
  expect(found.isDurable(found.position)).toBe(true);
});

test('a writer that was abandoned while a sync was under way says nothing of it', () => {
  const disk = new MemoryDisk();
  const buffer = new LogBuffer(createLogBuffer(64));
  noteTail(buffer, FIRST);
  const hooks = { wallOffsetMs: () => 0, progressed: () => {}, failed: () => {} };
  const dead = startLog(disk, { syncs: true });
  const writer = new LogWriter(buffer, dead, hooks);
  buffer.push(buffer.claim(12, 1));
  buffer.publish();
  writer.pump(0);
  writer.abandon();
  dead.close();
  const [stale] = disk.later.splice(0);
  const log = new FileLog(disk, configOf({ syncs: true }), notedTail(buffer));
  const next = new LogWriter(buffer, log, hooks);
  buffer.push(buffer.claim(14, 1));
  buffer.publish();
  next.pump(0);
  for (const finish of disk.later) finish();
  stale();
  expect(notedTail(buffer)).toEqual(log.tail);
  expect(buffer.isDurable(buffer.position)).toBe(true);
  expect(disk.opened.size).toBe(1);
});

describe('a log that does not wait for the disk', () => {
  test('keeps a file open while it is being synced, although another segment follows', () => {
    const disk = new MemoryDisk();
    const log = startLog(disk);
    append(log, 3_000);
    const outcomes: Appended[] = [];
    log.sync((outcome) => outcomes.push(outcome));
    append(log, 3_000);
    log.sync((outcome) => outcomes.push(outcome));
    log.close();
    for (const finish of disk.later) finish();
    expect(outcomes).toEqual([Appended.DONE, Appended.DONE]);
    expect(disk.lost).toBe(0);
    expect(disk.opened.size).toBe(0);
    expect(log.synced).toBe(log.position);
  });

  test('does not take for synced what one that died has only written', () => {
    const disk = new MemoryDisk();
    const dead = startLog(disk);
    append(dead, 800);
    const log = new FileLog(disk, configOf(), dead.tail);
    expect(log.synced).toBe(0);
    log.sync(() => {});
    expect(disk.later).toHaveLength(1);
  });

  test('fails for good when a sync fails before a new segment, for want of room too', () => {
    const disk = new MemoryDisk();
    const log = startLog(disk);
    append(log, 3_000);
    disk.failing.set('sync', NO_ROOM);
    expect(append(log, 3_000)).toBe(Appended.FAILED);
    disk.failing.clear();
    expect(append(log, 3_000)).toBe(Appended.FAILED);
  });
});
