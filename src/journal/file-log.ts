/**
 * The log of one shard in segment files. A batch becomes a block; with durability `commit` it is
 * done when the block is on disk, otherwise when the system has it.
 *
 * What cannot be written for want of room is tried again at the same place, which is safe: no sync
 * was asked for yet. A sync that fails is never tried again, because the system may have dropped
 * what it could not write and report success the next time.
 */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { assert } from '../core/assert.ts';
import {
  createWhole,
  listSegments,
  reuseWhole,
  segmentName,
  spareName,
  writeAll,
} from './directory.ts';
import { type Disk, isNoRoom } from './disk.ts';
import {
  BLOCK_HEADER_BYTES,
  decodeSegmentHeader,
  encodeSegmentHeader,
  FORMAT_VERSION,
  SEGMENT_HEADER_BYTES,
  sealBlock,
} from './format.ts';
import { type AppendDone, Appended, type Batch, fenced, type Log, type LogTail } from './log.ts';

/** What the log of a shard is about, and how careful it is. */
export interface FileLogConfig {
  readonly folder: string;
  readonly engine: string;
  readonly generation: number;
  readonly shard: number;
  readonly shards: number;
  /** A segment that has grown to so many bytes is followed by another. */
  readonly segmentBytesMax: number;
  /** Whether a batch is done only when it is on disk. */
  readonly syncs: boolean;
  /** Whether the thread waits for the disk at first; otherwise `done` comes in a later turn. */
  readonly blocks: boolean;
}

interface Segment {
  readonly number: number;
  bytes: number;
}

/** A file is closed when the log has left it and no write or sync of it is under way any more. */
interface OpenFile {
  readonly descriptor: number;
  uses: number;
  isLeft: boolean;
}

export class FileLog implements Log {
  readonly #disk: Disk;
  readonly #config: FileLogConfig;
  readonly #segments: Segment[] = [];
  #file: OpenFile | undefined;
  /** Whether `append` and `sync` wait for the disk: see the config. May be changed at any time. */
  blocks: boolean;
  /** Told how long each sync of a segment took. */
  onSync: ((durationMs: number) => void) | undefined;
  #seed = 0;
  /** Bytes of the segments before the one that is written. */
  #olderBytes = 0;
  #offset = 0;
  #position = 0;
  #synced = 0;
  #isFailed = false;
  /** Whether there is a segment to write again, with its old bytes behind the header. */
  #hasSpare = false;

  /** Opens the log where a writer before, or recovery, has left it. */
  constructor(disk: Disk, config: FileLogConfig, tail: LogTail) {
    this.#disk = disk;
    this.#config = config;
    this.blocks = config.blocks;
    for (const { generation, shard, number, name } of listSegments(disk, config.folder)) {
      const isOwn = generation === config.generation && shard === config.shard;
      // A later one was made by a writer that died before anybody relied on it.
      if (!isOwn || number > tail.segment) continue;
      const file = disk.open(join(config.folder, name), false);
      this.#segments.push({ number, bytes: disk.size(file) });
      if (number === tail.segment) this.#goOn(file, tail.offset);
      else {
        this.#olderBytes += this.#last.bytes;
        disk.close(file);
      }
    }
    this.#hasSpare = disk.list(config.folder).includes(this.#spareName);
    assert(this.#file !== undefined, 'the segment in which a log goes on is there');
  }

  #goOn(file: number, offset: number): void {
    const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
    this.#disk.read(file, bytes, 0, SEGMENT_HEADER_BYTES, 0);
    const header = decodeSegmentHeader(bytes);
    assert(header !== undefined, 'the segment in which a log goes on has a header');
    this.#file = { descriptor: file, uses: 0, isLeft: false };
    this.#seed = header.seed;
    this.#offset = offset;
    this.#position = header.position + offset - SEGMENT_HEADER_BYTES;
    // A writer before may have left blocks of this segment to the system.
    this.#synced = this.#config.syncs ? this.#position : header.position;
    this.#last.bytes = offset;
  }

  get position(): number {
    return this.#position;
  }

  /** The position up to which the log is on disk. */
  get synced(): number {
    return this.#synced;
  }

  get tail(): LogTail {
    return { segment: this.#last.number, offset: this.#offset };
  }

  /** Bytes of all segments. Asked for in every turn of the shard's loop. */
  get bytes(): number {
    return this.#olderBytes + this.#offset;
  }

  get segmentBytesMax(): number {
    return this.#config.segmentBytesMax;
  }

  get segments(): number {
    return this.#segments.length;
  }

  get oldestSegment(): number {
    return this.#segments[0].number;
  }

  /** The last of the oldest segments that together hold so many bytes; never the one written. */
  oldestOf(bytes: number): number {
    let last = 0;
    for (let sum = this.#segments[0].bytes; sum < bytes && last < this.segments - 2; last++) {
      sum += this.#segments[last + 1].bytes;
    }
    return this.#segments[last].number;
  }

  append(batch: Batch, expectedPosition: number, done: AppendDone): void {
    if (this.#isFailed) return done(Appended.FAILED, new Error('the log has failed before'));
    if (expectedPosition !== this.#position) return this.#fail(fenced(expectedPosition), done);
    const length = BLOCK_HEADER_BYTES + batch.length;
    try {
      const isFull = this.#offset + length > this.#config.segmentBytesMax;
      if (isFull && this.#offset > SEGMENT_HEADER_BYTES) this.#nextSegment();
      sealBlock(batch.bytes, this.#seed, {
        length: batch.length,
        position: this.#position,
        synced: this.#synced,
        wallOffsetMs: batch.wallOffsetMs,
      });
    } catch (error) {
      return this.#refused(error as Error, done);
    }
    if (this.#config.syncs && !this.blocks) return this.#writeLater(batch.bytes, 0, length, done);
    try {
      // cold: once a batch
      writeAll(this.#disk, this.#file!.descriptor, batch.bytes.subarray(0, length), this.#offset);
    } catch (error) {
      return this.#refused(error as Error, done);
    }
    this.#written(length, done);
  }

  /** Writes a block from byte `at` on, as often as the system takes only a part of it. */
  #writeLater(bytes: Uint8Array, at: number, length: number, done: AppendDone): void {
    const file = this.#file!;
    const position = this.#offset + at;
    file.uses += 1;
    this.#disk.writeLater(file.descriptor, bytes, at, length - at, position, (error, written) => {
      file.uses -= 1;
      if (file.isLeft) return this.#leave(file);
      if (error !== null) return this.#refused(error, done);
      if (written <= 0) return this.#fail(new Error('the system wrote nothing'), done);
      if (at + written < length) this.#writeLater(bytes, at + written, length, done);
      else this.#written(length, done);
    });
  }

  #written(length: number, done: AppendDone): void {
    this.#offset += length;
    this.#position += length;
    this.#last.bytes = this.#offset;
    if (this.#config.syncs) this.sync(done);
    else done(Appended.DONE);
  }

  /** Nothing was appended. For want of room the same may be tried again. */
  #refused(error: Error, done: AppendDone): void {
    if (isNoRoom(error) && !this.#isFailed) done(Appended.NO_ROOM, error);
    else this.#fail(error, done);
  }

  /** Has all that was appended on disk. */
  sync(done: AppendDone): void {
    const position = this.#position;
    if (this.#isFailed) return done(Appended.FAILED, new Error('the log has failed before'));
    if (position === this.#synced) return done(Appended.DONE);
    const file = this.#file!;
    const started = performance.now();
    const finish = (error: Error | null): void => {
      this.onSync?.(performance.now() - started);
      file.uses -= 1;
      if (file.isLeft) this.#leave(file);
      if (error !== null) return this.#fail(error, done);
      // The log may have gone on to another segment meanwhile, which synced all before it.
      this.#synced = Math.max(this.#synced, position);
      done(Appended.DONE);
    };
    file.uses += 1;
    if (!this.blocks) return this.#disk.syncLater(file.descriptor, finish);
    let problem: Error | null = null;
    try {
      this.#disk.sync(file.descriptor);
    } catch (error) {
      problem = error as Error;
    }
    finish(problem);
  }

  /**
   * Removes the segments up to a number, once all that was appended is on disk: what is needed of
   * them must have been appended again.
   */
  drop(segment: number, done: AppendDone): void {
    const remove = (outcome: Appended, error?: Error): void => {
      if (outcome !== Appended.DONE) return done(outcome, error);
      try {
        this.#remove(segment);
      } catch (problem) {
        return this.#fail(problem as Error, done);
      }
      done(Appended.DONE);
    };
    // A batch that syncs was on disk before whoever asks could know of it.
    if (this.#config.syncs) remove(Appended.DONE);
    else this.sync(remove);
  }

  #remove(segment: number): void {
    const { folder, generation, shard, segmentBytesMax } = this.#config;
    while (this.#segments.length > 1 && this.#segments[0].number <= segment) {
      const { number, bytes } = this.#segments[0];
      const path = join(folder, segmentName(generation, shard, number));
      const isWorth = !this.#hasSpare && bytes > segmentBytesMax / 2;
      if (isWorth) this.#disk.rename(path, join(folder, this.#spareName));
      else this.#disk.remove(path);
      this.#hasSpare ||= isWorth;
      // One by one: what is left after a crash must not have a gap.
      this.#disk.syncFolder(folder);
      this.#segments.shift();
      this.#olderBytes -= bytes;
    }
  }

  /** Whether a write or a sync is under way. Only then may a close come later. */
  get isInUse(): boolean {
    return (this.#file?.uses ?? 0) > 0;
  }

  close(): void {
    if (this.#file !== undefined) this.#leave(this.#file);
    this.#file = undefined;
  }

  #leave(file: OpenFile): void {
    file.isLeft = true;
    if (file.uses === 0) this.#disk.close(file.descriptor);
  }

  get #spareName(): string {
    return spareName(this.#config.generation, this.#config.shard);
  }

  get #last(): Segment {
    return this.#segments[this.#segments.length - 1];
  }

  #nextSegment(): void {
    const before = this.#file!;
    if (this.#synced !== this.#position) this.#syncNow(before);
    this.#synced = this.#position;
    // What it had behind its end as the file of an older segment takes room for nothing.
    this.#disk.truncate(before.descriptor, this.#offset);
    const number = this.#last.number + 1;
    const spare = this.#hasSpare ? this.#spareName : undefined;
    const position = this.#position;
    // Tried once: when it fails half-way the file may have its new name already.
    this.#hasSpare = false;
    const { file, seed } = createSegment(this.#disk, this.#config, number, position, spare);
    this.#leave(before);
    this.#file = { descriptor: file, uses: 0, isLeft: false };
    this.#seed = seed;
    this.#olderBytes += this.#last.bytes;
    this.#offset = SEGMENT_HEADER_BYTES;
    this.#segments.push({ number, bytes: this.#offset });
  }

  /** Even for want of room a sync that failed is not tried again. */
  #syncNow(file: OpenFile): void {
    const started = performance.now();
    try {
      this.#disk.sync(file.descriptor);
      this.onSync?.(performance.now() - started);
    } catch (error) {
      this.#isFailed = true;
      throw error;
    }
  }

  #fail(error: Error, done: AppendDone): void {
    this.#isFailed = true;
    done(Appended.FAILED, error);
  }
}

/** Makes an empty segment, on disk when this returns. `spare` names a file to make it of. */
export function createSegment(
  disk: Disk,
  config: FileLogConfig,
  number: number,
  position: number,
  spare?: string,
): { file: number; seed: number } {
  const { folder, engine, generation, shard, shards } = config;
  const seed = randomInt(2 ** 32);
  const header = encodeSegmentHeader({
    version: FORMAT_VERSION,
    engine,
    generation,
    shard,
    shards,
    number,
    seed,
    position,
  });
  const name = segmentName(generation, shard, number);
  if (spare === undefined) return { file: createWhole(disk, folder, name, header), seed };
  // Its old blocks have another seed and lower positions, so they are never taken for new ones.
  return { file: reuseWhole(disk, folder, spare, name, header), seed };
}
