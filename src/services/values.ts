/**
 * Bodies, replies and data between JavaScript values and msgpack.
 *
 * As in JSON, a map entry whose value is undefined is left out: nil means something of its own, it
 * removes a key in `merge`. Elsewhere undefined becomes nil. A `Date` travels as msgpack's
 * timestamp, a `Map` as a map, a `Set` as an array, bytes as bin. 64-bit integers come back as
 * numbers as long as they are exact and as bigints above.
 */
import { Packr } from 'msgpackr';
import { InvalidOptionError } from '../core/errors.ts';
import { VALUE_DEPTH_MAX } from '../core/limits.ts';

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

const packr = new Packr({
  // Records are an extension of that library; other msgpack readers cannot decode them.
  useRecords: false,
  variableMapSize: true,
  mapsAsObjects: true,
  encodeUndefinedAsNil: true,
  // Without copies a few bytes of a body would keep the socket's whole chunk in memory.
  copyBuffers: true,
  moreTypes: false,
  structuredClone: false,
  // 'auto' is a number where it is exact, else a bigint; msgpackr's types leave it out.
  int64AsType: 'auto' as 'number',
});

/**
 * Encodes a body or another value that the caller gave.
 *
 * @param name what to call it in an error
 * @param around how many containers it will lie in; 32 levels are allowed in all
 * @throws InvalidOptionError when msgpack cannot carry the value
 */
export function encodeValue(value: unknown, name = 'body', around = 0): Uint8Array {
  return packr.pack(carried(value, name, around));
}

/** Decodes a value. Throws what msgpackr throws when an extension in it is not known here. */
export function decodeValue(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}

/** Up to here a loop that copies bytes beats a new array, which also needs a view of its own. */
const SCRATCH_BYTES = 1_024;
const scratch = new Uint8Array(SCRATCH_BYTES);

/**
 * Decodes a value that lies in shared memory. From a copy, because text decoders refuse that
 * memory, and somebody else writes there once the value is in the caller's hands.
 */
export function decodeShared(bytes: Uint8Array, at: number, length: number): unknown {
  if (length > SCRATCH_BYTES) return packr.unpack(bytes.slice(at, at + length));
  return decodeCopied(scratch, bytes, at, length);
}

/** Bytes of a value that is decoded from it are Buffers. */
const chunkScratch = Buffer.alloc(SCRATCH_BYTES);

/**
 * Decodes a value that lies in a chunk of a stream. A short one from a copy too: msgpackr makes a
 * view for every array that it has not seen before, which costs more.
 */
export function decodeInChunk(bytes: Uint8Array, at: number, length: number): unknown {
  if (length > SCRATCH_BYTES) {
    return packr.unpack(Buffer.from(bytes.buffer, bytes.byteOffset + at, length));
  }
  return decodeCopied(chunkScratch, bytes, at, length);
}

/** Nothing of the value aliases the copy: strings are decoded, bytes copied. */
function decodeCopied(copy: Uint8Array, bytes: Uint8Array, at: number, length: number): unknown {
  for (let i = 0; i < length; i++) copy[i] = bytes[at + i];
  return packr.unpack(copy, length);
}

/**
 * The value as msgpackr shall see it: the same one if there is nothing to change, otherwise a
 * copy. What msgpackr would write as something else without a word is refused here; for a
 * Float32Array that even is memory of earlier bodies.
 */
function carried(value: unknown, name: string, depth: number): unknown {
  if (typeof value === 'object' && value !== null) return carriedObject(value, name, depth + 1);
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new InvalidOptionError(name, value, 'free of functions and symbols');
  }
  if (typeof value === 'bigint' && (value < INT64_MIN || value > UINT64_MAX)) {
    throw new InvalidOptionError(name, value, 'within 64 bits where it is a bigint');
  }
  return value;
}

function carriedObject(value: object, name: string, depth: number): unknown {
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) return value;
  if (depth > VALUE_DEPTH_MAX) {
    throw new InvalidOptionError(name, value, `nested no deeper than ${VALUE_DEPTH_MAX} levels`);
  }
  if (value instanceof Date) {
    if (!Number.isNaN(value.getTime())) return value;
    throw new InvalidOptionError(name, 'an invalid Date', 'free of invalid dates');
  }
  if (Array.isArray(value)) return carriedItems(value, name, depth);
  if (value instanceof Set) return carriedItems([...value], name, depth);
  if (value instanceof Map) return carriedMap(value, name, depth);
  if (ArrayBuffer.isView(value)) {
    throw new InvalidOptionError(name, value, 'given as Uint8Array where it is bytes');
  }
  const strange = value instanceof Error || value instanceof RegExp;
  if (strange || typeof (value as { then?: unknown }).then === 'function') {
    throw new InvalidOptionError(name, value, 'made of plain values; await promises first');
  }
  return carriedFields(value as Record<string, unknown>, name, depth);
}

function carriedItems(items: readonly unknown[], name: string, depth: number): unknown {
  let copy: unknown[] | undefined;
  for (let i = 0; i < items.length; i++) {
    const item = carried(items[i], name, depth);
    if (item === items[i]) continue;
    copy ??= items.slice();
    copy[i] = item;
  }
  return copy ?? items;
}

function carriedMap(map: Map<unknown, unknown>, name: string, depth: number): unknown {
  const copy = new Map<unknown, unknown>();
  for (const [key, item] of map) {
    if (typeof key === 'object' && key !== null) {
      throw new InvalidOptionError(name, key, 'keyed by text and numbers in its maps');
    }
    if (item !== undefined) copy.set(carried(key, name, depth), carried(item, name, depth));
  }
  return copy;
}

function carriedFields(fields: Record<string, unknown>, name: string, depth: number): unknown {
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(fields)) {
    const item = fields[key] === undefined ? undefined : carried(fields[key], name, depth);
    if (item === fields[key] && item !== undefined) continue;
    copy ??= Object.assign(Object.create(null) as Record<string, unknown>, fields);
    if (item === undefined) delete copy[key];
    else copy[key] = item;
  }
  return copy ?? fields;
}
