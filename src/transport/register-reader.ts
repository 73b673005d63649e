/**
 * Reads the options of a register into its message. What is wrong with one is told in words; the
 * frame is read to its end all the same.
 */
import {
  CAPABILITIES_MAX,
  RATE_BURST_MAX,
  RATE_PER_SECOND_MAX,
  TTL_MS_MAX,
  TTL_NEVER,
} from '../core/limits.ts';
import { type Message, RegisterFlag } from '../core/message.ts';
import { isMap } from '../services/data-bodies.ts';
import type { CheckedService } from '../services/service.ts';
import type { Cursor } from './cursor.ts';
import { OPTIONS_MAX, TEXT_BYTES_MAX } from './limits.ts';

/** A client's own text is quoted in errors no longer than this. */
const QUOTED_CHARACTERS_MAX = 64;

export class RegisterReader {
  readonly #checked: CheckedService;
  readonly #dataBytesMax: number;

  constructor(checked: CheckedService, dataBytesMax: number) {
    this.#checked = checked;
    this.#dataBytesMax = dataBytesMax;
  }

  /** Reads the map of options. Returns what is wrong with the first one that cannot be served. */
  read(c: Cursor, m: Message): string | undefined {
    const options = c.mapLength();
    if (options > OPTIONS_MAX) c.fail('a register has at most 16 options');
    let problem: string | undefined;
    for (let i = 0; i < options && c.problem === ''; i++) {
      const found = this.#option(readText(c), c, m);
      problem ??= found;
    }
    return problem;
  }

  #option(name: string, c: Cursor, m: Message): string | undefined {
    switch (name) {
      case 'ttl_ms':
        return readTtl(c, m);
      case 'rate':
        return readRate(c, m);
      case 'scope':
        return readScope(c, m);
      case 'capabilities':
        return this.#capabilities(c, m);
      case 'data':
        return this.#data(c, m);
      default:
        c.skip();
        return `the option ${name.slice(0, QUOTED_CHARACTERS_MAX)} is not known`;
    }
  }

  /** Names that the service does not offer are passed over: the answer says what was granted. */
  #capabilities(c: Cursor, m: Message): string | undefined {
    if (c.nil()) return undefined;
    if (!isArray(c)) return refuse(c, 'capabilities is not an array of names');
    const length = c.arrayLength();
    if (length > CAPABILITIES_MAX)
      c.fail(`a register has at most ${CAPABILITIES_MAX} capabilities`);
    let problem: string | undefined;
    for (let i = 0; i < length && c.problem === ''; i++) {
      if (!isString(c)) {
        problem = refuse(c, 'capabilities is not an array of names');
        continue;
      }
      const index = this.#checked.capabilities.indexOf(readText(c));
      if (index >= 0) m.capabilities |= 1 << index;
    }
    return problem;
  }

  #data(c: Cursor, m: Message): string | undefined {
    if (c.nil()) return undefined;
    const start = c.at;
    const startsMap = isMap(c.peek());
    c.skip();
    if (c.problem !== '') return undefined;
    if (this.#checked.service.initialData !== true) {
      return 'data is not taken: this service writes the data itself';
    }
    if (!startsMap) return 'data is not a map';
    const length = c.at - start;
    if (length > this.#dataBytesMax) {
      return `data has ${length} bytes; data_bytes_max is ${this.#dataBytesMax}`;
    }
    m.flags |= RegisterFlag.DATA;
    keepBody(c, m, start, length);
    return undefined;
  }
}

/** Skips a value that cannot be served. */
function refuse(c: Cursor, problem: string): string {
  c.skip();
  return problem;
}

function readTtl(c: Cursor, m: Message): string | undefined {
  m.flags |= RegisterFlag.TTL;
  if (c.nil()) {
    m.ttlMs = TTL_NEVER | 0;
    return undefined;
  }
  const value = numberOrSkip(c);
  if (Number.isInteger(value) && value >= 1 && value <= TTL_MS_MAX) {
    m.ttlMs = value | 0;
    return undefined;
  }
  return `ttl_ms is ${value}; it must be nil or a whole number from 1 to ${TTL_MS_MAX}`;
}

function readRate(c: Cursor, m: Message): string | undefined {
  if (c.nil()) return undefined;
  const expected = 'rate must be [per_second, burst]';
  if (!isArray(c)) return refuse(c, expected);
  const length = c.arrayLength();
  if (length !== 2) {
    for (let i = 0; i < length && c.problem === ''; i++) c.skip();
    return expected;
  }
  const perSecond = numberOrSkip(c);
  const burst = numberOrSkip(c);
  const inRange = isWithin(perSecond, RATE_PER_SECOND_MAX) && isWithin(burst, RATE_BURST_MAX);
  if (!inRange) {
    const limits = `1 to ${RATE_PER_SECOND_MAX} and 1 to ${RATE_BURST_MAX}`;
    return `rate is [${perSecond}, ${burst}]; it must be whole numbers from ${limits}`;
  }
  m.flags |= RegisterFlag.RATE;
  m.ratePerSecond = perSecond;
  m.rateBurst = burst;
  return undefined;
}

function readScope(c: Cursor, m: Message): string | undefined {
  if (c.nil()) return undefined;
  if (!isString(c)) return refuse(c, 'scope must be "connection" or nil');
  const scope = readText(c);
  if (scope !== 'connection') {
    return `scope is ${scope.slice(0, QUOTED_CHARACTERS_MAX)}; it must be "connection" or nil`;
  }
  m.flags |= RegisterFlag.CONNECTION;
  return undefined;
}

function isWithin(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= most;
}

function isArray(c: Cursor): boolean {
  return (c.peek() & 0xf0) === 0x90 || c.peek() === 0xdc || c.peek() === 0xdd;
}

function isString(c: Cursor): boolean {
  const first = c.peek();
  return (first & 0xe0) === 0xa0 || (first >= 0xd9 && first <= 0xdb);
}

/** A number; NaN, with the value skipped, if it is none. */
function numberOrSkip(c: Cursor): number {
  const first = c.peek();
  if (first <= 0x7f || first >= 0xe0 || (first >= 0xca && first <= 0xd3)) return numberOf(c);
  c.skip();
  return Number.NaN;
}

/** Any msgpack number, for a message that quotes it. */
function numberOf(c: Cursor): number {
  const start = c.at;
  c.skip();
  if (c.problem !== '') return Number.NaN;
  const first = c.bytes[start];
  if (first <= 0x7f) return first;
  if (first >= 0xe0) return first - 0x100;
  if (first === 0xca) return c.view.getFloat32(start + 1);
  if (first === 0xcb) return c.view.getFloat64(start + 1);
  let value = first >= 0xd0 && c.view.getInt8(start + 1) < 0 ? -1 : 0;
  for (let at = start + 1; at < c.at; at++) value = value * 0x100 + c.bytes[at];
  return value;
}

/** A short string, decoded; '' if it is none. */
export function readText(c: Cursor, bytesMax = TEXT_BYTES_MAX): string {
  const length = c.stringLength();
  if (length < 0) return '';
  if (length > bytesMax) {
    c.fail(`a name or token is longer than ${bytesMax} bytes`);
    return '';
  }
  const start = c.at;
  c.at += length;
  return Buffer.from(c.bytes.buffer, c.bytes.byteOffset + start, length).toString('utf8');
}

/** Copies a value into the message's own body, from where whole words start. */
export function keepBody(c: Cursor, m: Message, start: number, length: number): void {
  const { view, bytes } = c;
  const words = m.bodyWords;
  const whole = length >>> 2;
  for (let i = 0; i < whole; i++) words[i] = view.getInt32(start + i * 4, true);
  words[whole] = 0;
  for (let i = whole * 4; i < length; i++) m.bodyBytes[i] = bytes[start + i];
  m.bodyLength = length;
}
