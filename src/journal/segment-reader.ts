/**
 * Reads the blocks of a segment file in order, as far as they are good, and says what comes after.
 */
import { join } from 'node:path';
import { CorruptLogError, SessileError } from '../core/errors.ts';
import type { SegmentName } from './directory.ts';
import type { Disk } from './disk.ts';
import {
  BLOCK_HEADER_BYTES,
  type BlockHeader,
  decodeSegmentHeader,
  FORMAT_VERSION,
  isBlock,
  peekBlock,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from './format.ts';

/** Bytes read at a time; a longer block is read whole. */
const WINDOW_BYTES = 8 * 1024 * 1024;

/** How often the bytes of a file may be read for blocks that are not where they were written. */
const MISPLACED_FILES = 8;

/** The entries of a block: words `at` to `end`. They are gone when the visit is over. */
export type VisitBlock = (
  words: Int32Array,
  floats: Float64Array,
  at: number,
  end: number,
  block: BlockHeader,
) => void;

export interface SegmentContent {
  readonly name: SegmentName;
  readonly header: SegmentHeader;
  readonly blocks: number;
  /** Where the good blocks end, in the file and in the log. */
  readonly offset: number;
  readonly position: number;
  readonly fileBytes: number;
  /** Bytes of a block behind them that was begun. What else lies there is of a file before. */
  readonly tornBytes: number;
  /** What the last good block said was on disk before it. */
  readonly synced: number;
  /** A good block behind the bad bytes, written when those were on disk: they were damaged. */
  readonly isDamaged: boolean;
}

/**
 * Reads a segment up to `limit`, the position at which the next one begins (without it, as far as
 * the blocks are good). Throws `CorruptLogError` when there is no header, or not that of the name.
 */
export function readSegment(
  disk: Disk,
  folder: string,
  name: SegmentName,
  limit: number,
  visit: VisitBlock,
): SegmentContent {
  const path = join(folder, name.name);
  const file = disk.open(path, false);
  try {
    return new Reader(disk, file, path, name).read(limit, visit);
  } finally {
    disk.close(file);
  }
}

class Reader {
  readonly #disk: Disk;
  readonly #file: number;
  readonly #path: string;
  readonly #name: SegmentName;
  readonly #fileBytes: number;
  #memory: ArrayBuffer;
  #bytes: Buffer;
  /** The part of the file that is in memory. */
  #from = 0;
  #to = 0;

  constructor(disk: Disk, file: number, path: string, name: SegmentName) {
    this.#disk = disk;
    this.#file = file;
    this.#path = path;
    this.#name = name;
    this.#fileBytes = disk.size(file);
    this.#memory = new ArrayBuffer(Math.min(WINDOW_BYTES, Math.ceil(this.#fileBytes / 8) * 8));
    this.#bytes = Buffer.from(this.#memory);
  }

  read(limit: number, visit: VisitBlock): SegmentContent {
    const header = this.#header();
    let offset = SEGMENT_HEADER_BYTES;
    let { position } = header;
    let synced = position;
    let blocks = 0;
    let words = new Int32Array(this.#memory);
    let floats = new Float64Array(this.#memory);
    while (position < limit) {
      const block = this.#blockAt(offset, header.seed);
      if (block === undefined || block.position !== position) break;
      if (words.buffer !== this.#memory) {
        words = new Int32Array(this.#memory);
        floats = new Float64Array(this.#memory);
      }
      const at = (offset - this.#from + BLOCK_HEADER_BYTES) / 4;
      try {
        visit(words, floats, at, at + block.length / 4, block);
      } catch (error) {
        throw this.#placed(error, offset);
      }
      blocks += 1;
      synced = block.synced;
      offset += BLOCK_HEADER_BYTES + block.length;
      position += BLOCK_HEADER_BYTES + block.length;
    }
    const isEnd = position >= limit && limit !== Number.POSITIVE_INFINITY;
    const isDamaged = !isEnd && this.#hasGoodBlock(offset + 8, header, position);
    const name = this.#name;
    const fileBytes = this.#fileBytes;
    const tornBytes = isEnd ? 0 : this.#tornAt(offset, position);
    return { name, header, blocks, offset, position, fileBytes, tornBytes, synced, isDamaged };
  }

  /** Bytes of the file that belong to a block of this log which is not whole. */
  #tornAt(offset: number, position: number): number {
    if (!this.#load(offset, BLOCK_HEADER_BYTES)) return this.#fileBytes - offset;
    const block = peekBlock(this.#bytes, offset - this.#from);
    if (block === undefined || block.position !== position) return 0;
    return Math.min(BLOCK_HEADER_BYTES + block.length, this.#fileBytes - offset);
  }

  #header(): SegmentHeader {
    this.#load(0, SEGMENT_HEADER_BYTES);
    const header = decodeSegmentHeader(this.#bytes.subarray(0, this.#to));
    if (header === undefined) throw this.#corrupt('the header of the segment is damaged', 0);
    if (header.version !== FORMAT_VERSION) {
      throw new SessileError(
        'storage_format',
        `${this.#path} has format ${header.version}; this version reads format ${FORMAT_VERSION}`,
        { path: this.#path, format: header.version },
      );
    }
    const { generation, shard, number } = this.#name;
    const isOwn =
      header.generation === generation && header.shard === shard && header.number === number;
    if (!isOwn) throw this.#corrupt('the header is that of another segment', 0);
    return header;
  }

  /** The good block at an offset, in memory whole; undefined when there is none. */
  #blockAt(offset: number, seed: number): BlockHeader | undefined {
    if (!this.#load(offset, BLOCK_HEADER_BYTES)) return undefined;
    const block = peekBlock(this.#bytes, offset - this.#from);
    if (block === undefined || block.length % 8 !== 0) return undefined;
    if (!this.#load(offset, BLOCK_HEADER_BYTES + block.length)) return undefined;
    return isBlock(this.#bytes, offset - this.#from, block.length, seed) ? block : undefined;
  }

  /**
   * Whether a good block at or behind an offset was written when `position` was safe. What clients
   * store may look like headers of blocks, each as long as the rest of the file: where one is not
   * at its place in the log, only so many bytes are read to find out.
   */
  #hasGoodBlock(from: number, header: SegmentHeader, position: number): boolean {
    let left = MISPLACED_FILES * this.#fileBytes;
    for (let offset = from; offset + BLOCK_HEADER_BYTES <= this.#fileBytes; offset += 8) {
      if (!this.#load(offset, BLOCK_HEADER_BYTES)) return false;
      const block = peekBlock(this.#bytes, offset - this.#from);
      if (block === undefined || !(block.position > position && block.synced > position)) continue;
      if (offset + BLOCK_HEADER_BYTES + block.length > this.#fileBytes) continue;
      const isInPlace = block.position === header.position + offset - SEGMENT_HEADER_BYTES;
      if (!isInPlace) left -= block.length;
      if (!isInPlace && left < 0) continue;
      if (this.#blockAt(offset, header.seed) !== undefined) return true;
    }
    return false;
  }

  /** Has a part of the file in memory; false when the file ends before. */
  #load(offset: number, length: number): boolean {
    if (offset >= this.#from && offset + length <= this.#to) return true;
    if (offset + length > this.#fileBytes) return false;
    if (length > this.#memory.byteLength) {
      this.#memory = new ArrayBuffer(Math.ceil(length / WINDOW_BYTES) * WINDOW_BYTES);
      this.#bytes = Buffer.from(this.#memory);
    }
    this.#from = offset;
    this.#to = offset;
    const wanted = Math.min(this.#memory.byteLength, this.#fileBytes - offset);
    for (let read = 0; read < wanted; ) {
      const got = this.#disk.read(this.#file, this.#bytes, read, wanted - read, offset + read);
      if (got <= 0) break;
      read += got;
      this.#to = offset + read;
    }
    return offset + length <= this.#to;
  }

  #corrupt(what: string, offset: number): CorruptLogError {
    const { name } = this.#name;
    return new CorruptLogError(`${name} at offset ${offset}: ${what}`, {
      path: this.#path,
      offset,
    });
  }

  #placed(error: unknown, offset: number): unknown {
    return error instanceof CorruptLogError ? this.#corrupt(error.message, offset) : error;
  }
}
