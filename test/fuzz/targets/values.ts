/**
 * Values: `Cursor.skip`, `ValueReader` and `ValueWriter`, and the decoders `@msgpack/msgpack` and
 * msgpackr beside them. Each reads the same bytes, with bytes of something else behind them.
 *
 * Where the libraries take what the cursor refuses, or the other way round, it is one of these:
 * - the cursor takes at most 32 levels, counting containers with elements; the libraries any;
 * - the cursor refuses ext type 0x72, which msgpackr reads as its own records;
 * - msgpackr decodes the byte c1 as an object of its own where it stands for a value;
 * - `@msgpack/msgpack` refuses keys that it reads as `__proto__`, some that are no UTF-8 among
 *   them, and keys that are neither text nor number;
 * - ext types that a library knows (timestamps, errors, sets, typed arrays, regular expressions)
 *   are refused by it when their content is not of that type; the cursor reads none of them;
 * - text that is no UTF-8 is carried as it is; decoders replace what they cannot read.
 */
import { decode, ExtData, ExtensionCodec, encode } from '@msgpack/msgpack';
import { Packr } from 'msgpackr';
import { VALUE_DEPTH_MAX } from '../../../src/core/limits.ts';
import { Numeric, ValueReader } from '../../../src/services/value-reader.ts';
import { ValueWriter } from '../../../src/services/value-writer.ts';
import { decodeValue, encodeValue } from '../../../src/services/values.ts';
import { Cursor } from '../../../src/transport/cursor.ts';
import type { Random } from '../../crash/random.ts';
import { nestedBytes, plainValue, valueBytes } from '../grammar.ts';
import { NoValue, numberText, pairs, read, type Value } from '../reference.ts';
import { must, type Outcome, same, type Target } from '../target.ts';

const GUARD_BYTES = 8;

/** Takes every ext as bytes; the type that the cursor refuses is refused here too. */
const codec = new ExtensionCodec();
codec.decode = (data: Uint8Array, type: number): ExtData => {
  if ((type & 0xff) === 0x72) throw new Error('refused');
  return new ExtData(type, data);
};

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'bigint' });

export const values: Target = {
  name: 'values',
  sources: ['/transport/cursor.ts', '/services/value-reader.ts', '/services/value-writer.ts'],
  tokens: [
    [0xc1],
    [0xc7, 1, 0x72, 0],
    [0xd4, 0xff, 0],
    [0xdd, 0xff, 0xff, 0xff, 0xff],
    [0xdb, 0, 0, 1, 0],
    [0xc9, 0, 0, 0, 1, 5, 0],
    [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0],
    [0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  ].map((bytes) => Uint8Array.from(bytes)),
  share: 1,
  generate,
  run,
};

function generate(random: Random): Uint8Array {
  const kind = random.below(10);
  if (kind === 0) return Uint8Array.from(nestedBytes(random, 28 + random.below(8)));
  if (kind === 1) return encode(plainValue(random));
  if (kind === 2) return encodeValue(plainValue(random));
  if (kind === 3) return packr.pack(plainValue(random));
  return Uint8Array.from([...valueBytes(random), ...(random.chance(20) ? [0xc0] : [])]);
}

/** What the cursor makes of a value between other bytes; the end of the value, or −1. */
function skip(input: Uint8Array, guard: number): number {
  const memory = new Uint8Array(input.length + 2 * GUARD_BYTES).fill(guard);
  memory.set(input, GUARD_BYTES);
  const cursor = new Cursor();
  const end = GUARD_BYTES + input.length;
  cursor.reset(memory, new DataView(memory.buffer), GUARD_BYTES, end);
  cursor.skip();
  must(cursor.at >= GUARD_BYTES && cursor.at <= end, 'the cursor stays within its bytes');
  if (cursor.problem === '') return cursor.at - GUARD_BYTES;
  must(cursor.at === end, 'a cursor with a problem stands at the end');
  return -1;
}

function run(input: Uint8Array): Outcome {
  let value: Value | undefined;
  try {
    value = read(input, 0, input.length);
  } catch (error) {
    if (!(error instanceof NoValue)) throw error;
  }
  const end = skip(input, 0xc1);
  must(end === skip(input, 0xc0), 'bytes around a value change nothing');
  const isGood = value !== undefined && value.depth <= VALUE_DEPTH_MAX && !value.hasRecord;
  must(end < 0 || isGood, 'the cursor took what is no value');
  if (value === undefined || !isGood) {
    if (value === undefined) othersRefuse(input);
    return 'refused';
  }
  must(end >= 0, () => `the cursor refused ${value.text.slice(0, 200)}`);
  must(end === value.end, () => `the cursor ends at ${end} for ${value.end}`);
  compareOthers(input, value);
  readTyped(input, value);
  writeAgain(input, value);
  return 'accepted';
}

function decodes(bytes: Uint8Array): boolean {
  try {
    decode(bytes, { extensionCodec: codec, mapKeyConverter: () => 'any key' });
    return true;
  } catch {
    return false;
  }
}

/** What is cut or has c1 in it is no value to another decoder either, whatever lies behind. */
function othersRefuse(input: Uint8Array): void {
  must(!decodes(input), 'another decoder takes what the cursor refuses');
}

function compareOthers(input: Uint8Array, value: Value): void {
  const bytes = input.slice(0, value.end);
  if (value.hasProto) return;
  must(decodes(bytes), 'another decoder takes it, ending at the same byte');
  must(value.end === 1 || !decodes(bytes.subarray(0, -1)), 'and refuses it when it is cut');
  if (value.isOdd || value.hasExt) return;
  const other = decode(bytes, { useBigInt64: true });
  same(textOf(other), value.text, 'another decoder reads');
  same(textOf(packr.unpack(bytes)), value.text, 'msgpackr reads');
  const ours = decodeValue(bytes);
  same(textOf(ours), value.text, 'decodeValue reads');
  for (const again of [encodeValue(ours), encode(other, { useBigInt64: true })]) {
    must(skip(again, 0xc1) === again.length, 'the cursor takes it encoded again');
    same(read(again, 0, again.length).text, value.text, 'encoded again it is');
  }
}

/** A decoded value as the text that `reference.ts` has for it. */
function textOf(value: unknown): string {
  if (value === null) return 'nil';
  if (typeof value === 'number' || typeof value === 'bigint') return numberText(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Uint8Array) return `<${Buffer.from(value).toString('hex')}>`;
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`;
  if (typeof value !== 'object') return String(value);
  const texts = Object.entries(value).flatMap(([key, item]) => [JSON.stringify(key), textOf(item)]);
  return `{${pairs(texts).sort().join(', ')}}`;
}

/** The reader of well-formed values, at each value and asked for each type. */
function readTyped(input: Uint8Array, value: Value): void {
  const reader = new ValueReader();
  const at = (one: Value): ValueReader => {
    reader.aim(input, one.start, value.end - one.start);
    return reader;
  };
  const text = `at ${value.start}: ${value.text.slice(0, 60)}`;
  at(value).skip();
  must(reader.at === value.end, `the reader skips to its end ${text}`);
  must(at(value).isNil() === (value.kind === 'nil'), `nil ${text}`);
  const count = (value.items?.length ?? 0) / (value.kind === 'map' ? 2 : 1);
  must(at(value).array() === (value.kind === 'array' ? count : -1), `array ${text}`);
  must(at(value).map() === (value.kind === 'map' ? count : -1), `map ${text}`);
  const isString = value.kind === 'string';
  const length = at(value).string();
  must(length === (isString ? value.end - (value.bytesAt ?? 0) : -1), `string ${text}`);
  must(reader.at === (isString ? value.bytesAt : value.start), `where a string begins ${text}`);
  readNumber(at(value), value, text);
  const key = at(value).keyText();
  must(reader.at === value.end, `the text of a key ends where it does ${text}`);
  must(key === at(value).keyText(), `the text of a key ${text}`);
  // The head of a container was read; its first item follows it.
  if (value.items === undefined || value.items.length === 0) return;
  if (value.kind === 'map') at(value).map();
  else at(value).array();
  must(reader.at === value.items[0].start, `the first item ${text}`);
  for (const item of value.items) readTyped(input.subarray(0, value.end), item);
}

function readNumber(reader: ValueReader, value: Value, text: string): void {
  const found = reader.number();
  if (value.integer !== undefined) {
    must(found === Numeric.INTEGER && reader.exact() === value.integer, `integer ${text}`);
    must(reader.value === Number(value.integer), `as a number ${text}`);
  } else if (value.float !== undefined) {
    must(found === Numeric.FLOAT && Object.is(reader.value, value.float), `float ${text}`);
  } else must(found === Numeric.NONE, `no number ${text}`);
  must(reader.at === (found === Numeric.NONE ? value.start : value.end), `moved on ${text}`);
  reader.at = value.start;
  const number = value.float ?? Number(value.integer ?? Number.NaN);
  const isWhole = Number.isSafeInteger(number) && number >= 0;
  must(reader.whole() === (isWhole ? number : -1), `whole ${text}`);
}

/** Writes the value anew, into just enough memory and into too little. */
function writeAgain(input: Uint8Array, value: Value): void {
  const capacity = value.end + 16;
  const words = new Int32Array((capacity + 19) >> 2).fill(-1);
  const bytes = new Uint8Array(words.buffer);
  const writer = new ValueWriter();
  writer.aim(words, bytes, 1, capacity);
  write(writer, input, value);
  must(!writer.tooLarge && writer.length <= capacity, 'a value is not longer written anew');
  same(read(bytes, 4, 4 + writer.length).text, value.text, 'written anew it is');
  const { length } = writer;
  must(
    bytes.subarray(4 + length).every((byte) => byte === 0xff),
    'no byte behind was touched',
  );
  if (length <= 1) return;
  bytes.fill(0xff);
  writer.aim(words, bytes, 1, length - 1);
  write(writer, input, value);
  must(writer.tooLarge, 'a byte too few is noticed');
  must(
    bytes.subarray(4 + length - 1).every((byte) => byte === 0xff),
    'and none is written there',
  );
}

function write(writer: ValueWriter, input: Uint8Array, value: Value): void {
  const { items, integer, float, start, end } = value;
  if (value.kind === 'nil') return writer.nil();
  if (float !== undefined) return writer.float(float);
  if (integer !== undefined) {
    const number = Number(integer);
    if (!Number.isSafeInteger(number)) return writer.append(input, start, end - start);
    const before = writer.length;
    if (number >= 0 && end % 2 === 0) writer.uint(number);
    else writer.int(number);
    const shortest = encode(number).length;
    must(writer.tooLarge || writer.length - before === shortest, 'integers are written shortest');
    return;
  }
  if (items === undefined) return writer.append(input, start, end - start);
  if (value.kind === 'map') writer.map(items.length / 2);
  else writer.array(items.length);
  for (const item of items) write(writer, input, item);
}
