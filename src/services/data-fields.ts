/**
 * Operations on single fields of a session's data. The data is walked, never decoded, so that
 * whatever they do not change stays as it is to the byte: integers of 64 bits, floats that are
 * whole, extensions, the widths of headers.
 */
import type { ServiceContext } from './context.ts';
import { refuse } from './data-bodies.ts';
import { Numeric, ValueReader } from './value-reader.ts';
import type { ValueWriter } from './value-writer.ts';

const NOT_A_MAP = 'the data is not a map';
const TAKES_FIELD_AND_DELTA = 'increment takes [field, delta], a text and a number';

/** One entry of a patch: where its key and its value lie in the body. */
interface PatchEntry {
  readonly key: number;
  readonly value: number;
  readonly end: number;
  readonly removes: boolean;
  /** The data has this key, and the entry took its place there. */
  isPlaced: boolean;
}

type Patch = Map<string, PatchEntry>;

/** What the new map is put together from, in its order. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly at: number;
  end: number;
}

/**
 * Sets the keys of the body, a map, in the data, shallowly; nil removes a key. Keys of the data
 * keep their places, new ones follow in the order of the body. Answers the new version.
 */
export function merge(context: ServiceContext, nextVersion: number): void {
  const { body, newData } = context;
  const patch = readPatch(readerOf(body));
  if (patch === undefined) return refuse(context, 'merge takes a map', 'invalid_body');
  const merged = mergeInto(context, patch);
  if (merged === undefined) return refuse(context, NOT_A_MAP, 'invalid_body');
  let { count } = merged;
  for (const entry of patch.values()) {
    if (entry.isPlaced || entry.removes) continue;
    merged.pieces.push({ bytes: body.bytes, at: entry.key, end: entry.end });
    count += 1;
  }
  newData.map(count);
  for (const { bytes, at, end } of merged.pieces) newData.append(bytes, at, end - at);
  context.reply.uint(nextVersion);
}

/** The entries by key; of those with equal keys the last. Undefined if there is no map. */
function readPatch(reader: ValueReader): Patch | undefined {
  const count = reader.at < reader.end ? reader.map() : -1;
  if (count < 0) return undefined;
  const patch: Patch = new Map();
  for (let i = 0; i < count; i++) {
    const key = reader.at;
    const text = reader.keyText();
    const value = reader.at;
    const removes = reader.isNil();
    reader.skip();
    patch.set(text, { key, value, end: reader.at, removes, isPlaced: false });
  }
  return patch;
}

/** The data's entries as the patch leaves them. Undefined if the data is not a map. */
function mergeInto(
  context: ServiceContext,
  patch: Patch,
): { pieces: Piece[]; count: number } | undefined {
  const { data, body } = context;
  const pieces: Piece[] = [];
  if (data.length === 0) return { pieces, count: 0 };
  const reader = readerOf(data);
  const entries = reader.map();
  if (entries < 0) return undefined;
  let count = 0;
  for (let i = 0; i < entries; i++) {
    const key = reader.at;
    const entry = patch.get(reader.keyText());
    const value = reader.at;
    reader.skip();
    // A put may have brought a key twice. The patch then stands in the first one's place.
    if (entry !== undefined && (entry.removes || entry.isPlaced)) continue;
    count += 1;
    keep(pieces, data.bytes, key, entry === undefined ? reader.at : value);
    if (entry === undefined) continue;
    entry.isPlaced = true;
    pieces.push({ bytes: body.bytes, at: entry.value, end: entry.end });
  }
  return { pieces, count };
}

/** Adds bytes of the data; those that follow on the last ones are one piece with them. */
function keep(pieces: Piece[], bytes: Uint8Array, at: number, end: number): void {
  const last = pieces.at(-1);
  if (last !== undefined && last.bytes === bytes && last.end === at) last.end = end;
  else pieces.push({ bytes, at, end });
}

/** Where a field's value lies in the data; both are the data's end when it has no such field. */
interface Place {
  /** How many entries the data has, and where the first one starts. */
  readonly count: number;
  readonly start: number;
  readonly value: number;
  readonly end: number;
}

/**
 * `[field, delta]`: adds a number to a field of the data; one that is absent counts as 0. Answers
 * the new value. Integers stay exact integers; if one of the two is a float, so is the sum.
 */
export function increment(context: ServiceContext): void {
  const { body, data, newData, reply } = context;
  const request = readerOf(body);
  const isPair = body.length > 0 && request.array() === 2;
  const key = request.at;
  const isText = isPair && request.string() >= 0;
  request.at = key;
  const name = isText ? request.keyText() : '';
  const keyEnd = request.at;
  const delta = isText ? operand(request) : undefined;
  if (delta === undefined) return refuse(context, TAKES_FIELD_AND_DELTA, 'invalid_body');
  const reader = readerOf(data);
  const place = findField(reader, name);
  if (place === undefined) return refuse(context, NOT_A_MAP, 'invalid_body');
  const isNew = place.value === place.end;
  reader.at = place.value;
  const value = isNew ? 0n : operand(reader);
  if (value === undefined) return refuse(context, 'the field is not a number', 'invalid_body');
  const sum = add(value, delta);
  if (sum === undefined) return refuse(context, 'the sum is out of range', 'invalid_body');

  newData.map(place.count + (isNew ? 1 : 0));
  newData.append(data.bytes, place.start, place.value - place.start);
  if (isNew) newData.append(body.bytes, key, keyEnd - key);
  writeNumber(newData, sum);
  newData.append(data.bytes, place.end, reader.end - place.end);
  writeNumber(reply, sum);
}

/** Finds a field by its key's text. Undefined if the data is not a map. */
function findField(reader: ValueReader, name: string): Place | undefined {
  const { end } = reader;
  if (reader.at === end) return { count: 0, start: end, value: end, end };
  const count = reader.map();
  if (count < 0) return undefined;
  const start = reader.at;
  let place: Place = { count, start, value: end, end };
  for (let i = 0; i < count; i++) {
    const isField = reader.keyText() === name;
    const value = reader.at;
    reader.skip();
    // A put may have brought a key twice; the last one is what decoders see.
    if (isField) place = { count, start, value, end: reader.at };
  }
  return place;
}

/** The number that comes next, a bigint if it is an integer; undefined if it is no number. */
function operand(reader: ValueReader): bigint | number | undefined {
  const kind = reader.number();
  if (kind === Numeric.NONE) return undefined;
  return kind === Numeric.INTEGER ? reader.exact() : reader.value;
}

/** The sum; undefined if it is no safe integer where it must be one, or not finite. */
function add(a: bigint | number, b: bigint | number): bigint | number | undefined {
  if (typeof a === 'bigint' && typeof b === 'bigint') {
    return Number.isSafeInteger(Number(a + b)) ? a + b : undefined;
  }
  const sum = Number(a) + Number(b);
  return Number.isFinite(sum) ? sum : undefined;
}

function writeNumber(writer: ValueWriter, value: bigint | number): void {
  if (typeof value === 'bigint') writer.int(Number(value));
  else writer.float(value);
}

function readerOf(view: ServiceContext['body']): ValueReader {
  const reader = new ValueReader();
  reader.aim(view.bytes, view.word * 4, view.length);
  return reader;
}
