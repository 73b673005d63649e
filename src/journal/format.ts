/**
 * The format of a segment file, in little-endian words.
 *
 *     segment: header, 64 bytes │ block │ block │ …
 *     header:  magic (8 bytes) │ version │ shard │ shards │ generation │ number │ seed │
 *              position of its first block (f64) │ engine id (16) │ spare │ checksum of this
 *     block:   checksum │ magic │ bytes of its entries │ spare │ position (f64) │
 *              synced position (f64) │ wall clock less engine clock, ms (f64) │ entries …
 *
 * A block is what one group commit wrote: all of it is there, or it is not a block. Its checksum
 * is the CRC-32 of what follows it, begun with the seed of the segment, so that bytes of another
 * file are never taken for a block of this one. Positions count the bytes of all blocks of a
 * shard since its generation began, headers included.
 *
 * `synced` is the position up to which the log was on disk when the block was written. A bad block
 * followed by a good one whose `synced` lies behind it was acknowledged, and has been damaged; one
 * that is not was never promised, and is the torn end of the log.
 */
import { crc32 } from 'node:zlib';

export const FORMAT_VERSION = 1;
export const SEGMENT_HEADER_BYTES = 64;
export const BLOCK_HEADER_BYTES = 40;
/** No log gets there. Sums of positions stay exact as far as twice that. */
const POSITION_MAX = 2 ** 52;
const SEGMENT_MAGIC_LOW = 0x73736573;
const SEGMENT_MAGIC_HIGH = 0x676f6c65;
const BLOCK_MAGIC = 0x6b636c62;

const enum At {
  MAGIC_LOW = 0,
  MAGIC_HIGH = 4,
  VERSION = 8,
  SHARD = 12,
  SHARDS = 16,
  GENERATION = 20,
  NUMBER = 24,
  SEED = 28,
  POSITION = 32,
  ENGINE = 40,
  CHECKSUM = 60,
}

const enum BlockAt {
  CHECKSUM = 0,
  MAGIC = 4,
  LENGTH = 8,
  POSITION = 16,
  SYNCED = 24,
  WALL_OFFSET = 32,
}

export interface SegmentHeader {
  readonly version: number;
  readonly shard: number;
  readonly shards: number;
  readonly generation: number;
  readonly number: number;
  readonly seed: number;
  /** Bytes of the log before this segment. */
  readonly position: number;
  /** 32 hexadecimal digits, drawn when the directory was made. */
  readonly engine: string;
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  bytes.writeUInt32LE(SEGMENT_MAGIC_LOW, At.MAGIC_LOW);
  bytes.writeUInt32LE(SEGMENT_MAGIC_HIGH, At.MAGIC_HIGH);
  bytes.writeUInt32LE(header.version, At.VERSION);
  bytes.writeUInt32LE(header.shard, At.SHARD);
  bytes.writeUInt32LE(header.shards, At.SHARDS);
  bytes.writeUInt32LE(header.generation, At.GENERATION);
  bytes.writeUInt32LE(header.number, At.NUMBER);
  bytes.writeUInt32LE(header.seed, At.SEED);
  bytes.writeDoubleLE(header.position, At.POSITION);
  bytes.write(header.engine, At.ENGINE, 'hex');
  bytes.writeUInt32LE(crc32(bytes.subarray(0, At.CHECKSUM)), At.CHECKSUM);
  return bytes;
}

/** Undefined when the bytes are no header. One of another version is read as far as that. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.byteLength < SEGMENT_HEADER_BYTES) return undefined;
  if (bytes.readUInt32LE(At.MAGIC_LOW) !== SEGMENT_MAGIC_LOW) return undefined;
  if (bytes.readUInt32LE(At.MAGIC_HIGH) !== SEGMENT_MAGIC_HIGH) return undefined;
  if (bytes.readUInt32LE(At.CHECKSUM) !== crc32(bytes.subarray(0, At.CHECKSUM))) return undefined;
  const version = bytes.readUInt32LE(At.VERSION);
  const position = bytes.readDoubleLE(At.POSITION);
  if (version === FORMAT_VERSION && !isPosition(position)) return undefined;
  return {
    version,
    shard: bytes.readUInt32LE(At.SHARD),
    shards: bytes.readUInt32LE(At.SHARDS),
    generation: bytes.readUInt32LE(At.GENERATION),
    number: bytes.readUInt32LE(At.NUMBER),
    seed: bytes.readUInt32LE(At.SEED),
    position,
    engine: bytes.toString('hex', At.ENGINE, At.ENGINE + 16),
  };
}

function isPosition(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= POSITION_MAX;
}

export interface BlockHeader {
  /** Bytes of its entries. */
  readonly length: number;
  readonly position: number;
  readonly synced: number;
  readonly wallOffsetMs: number;
}

/** Fills in the header of a block whose entries follow it in `bytes`, checksum included. */
export function sealBlock(bytes: Buffer, seed: number, header: BlockHeader): void {
  bytes.writeUInt32LE(BLOCK_MAGIC, BlockAt.MAGIC);
  bytes.writeUInt32LE(header.length, BlockAt.LENGTH);
  bytes.writeUInt32LE(0, BlockAt.LENGTH + 4);
  bytes.writeDoubleLE(header.position, BlockAt.POSITION);
  bytes.writeDoubleLE(header.synced, BlockAt.SYNCED);
  bytes.writeDoubleLE(header.wallOffsetMs, BlockAt.WALL_OFFSET);
  const end = BLOCK_HEADER_BYTES + header.length;
  bytes.writeUInt32LE(crc32(bytes.subarray(BlockAt.MAGIC, end), seed), BlockAt.CHECKSUM);
}

/** The header of what may be a block; undefined when it is none for sure. */
export function peekBlock(bytes: Buffer, at: number): BlockHeader | undefined {
  if (bytes.byteLength - at < BLOCK_HEADER_BYTES) return undefined;
  if (bytes.readUInt32LE(at + BlockAt.MAGIC) !== BLOCK_MAGIC) return undefined;
  return {
    length: bytes.readUInt32LE(at + BlockAt.LENGTH),
    position: bytes.readDoubleLE(at + BlockAt.POSITION),
    synced: bytes.readDoubleLE(at + BlockAt.SYNCED),
    wallOffsetMs: bytes.readDoubleLE(at + BlockAt.WALL_OFFSET),
  };
}

/** Whether the whole block at `at`, which lies in `bytes`, is what was written. */
export function isBlock(bytes: Buffer, at: number, length: number, seed: number): boolean {
  const end = at + BLOCK_HEADER_BYTES + length;
  const sum = crc32(bytes.subarray(at + BlockAt.MAGIC, end), seed);
  return bytes.readUInt32LE(at + BlockAt.CHECKSUM) === sum;
}
