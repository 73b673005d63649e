/**
 * What a connection makes of a stream of frames, as docs/protocol.md has it: the second reading to
 * which the real one is compared. Written over `reference.ts`, frame by frame, with no regard to
 * how the bytes arrive.
 */
import {
  CAPABILITIES_MAX,
  RATE_BURST_MAX,
  RATE_PER_SECOND_MAX,
  TTL_MS_MAX,
  VALUE_DEPTH_MAX,
} from '../../src/core/limits.ts';
import { NoValue, read, type Value } from './reference.ts';

export interface Limits {
  readonly frameBytesMax: number;
  readonly bodyBytesMax: number;
  readonly dataBytesMax: number;
  readonly capabilities: readonly string[];
}

const OPTIONS_MAX = 16;
const OPTIONS = ['ttl_ms', 'rate', 'scope', 'capabilities', 'data'];
const NAME_BYTES_MAX = 1024;
const U32 = 2n ** 32n;
const U53 = 2n ** 53n;
const FIELDS = [3, 3, 6, 3, 2, 5];

/** A first frame of which nothing can be read is no hello, and malformed: either may be said. */
export const NO_HELLO = 'hello_required or malformed_frame';

/** The connection ends with this error. */
class Fatal extends Error {}

/** The message is answered with this error, and the connection goes on. */
class Refused extends Error {}

const malformed = (): never => {
  throw new Fatal('malformed_frame');
};

/** What happens, in order; the last line is `fatal …` when the connection ends over a frame. */
export function expected(stream: Uint8Array, limits: Limits): string[] {
  const model = new Model(stream, limits);
  const events: string[] = [];
  try {
    for (let at = 0; at >= 0; ) at = model.step(at, events);
  } catch (error) {
    if (!(error instanceof Fatal)) throw error;
    events.push(`fatal ${error.message}`);
  }
  return events;
}

class Model {
  readonly #bytes: Uint8Array;
  readonly #limits: Limits;
  #saidHello = false;

  constructor(bytes: Uint8Array, limits: Limits) {
    this.#bytes = bytes;
    this.#limits = limits;
  }

  /** Reads the frame at `at`. Returns where the next one begins; −1 when none is whole. */
  step(at: number, events: string[]): number {
    const bytes = this.#bytes;
    if (at >= bytes.length) return -1;
    const first = bytes[at];
    const isInteger = first <= 0x7f || (first >= 0xcc && first <= 0xd3);
    if (!isInteger) malformed();
    let prefix: Value;
    try {
      prefix = read(bytes, at, bytes.length);
    } catch {
      return -1;
    }
    const length = prefix.integer as bigint;
    if (length <= 0n) malformed();
    if (length > BigInt(this.#limits.frameBytesMax)) throw new Fatal('frame_too_large');
    const end = prefix.end + Number(length);
    if (end > bytes.length) return -1;
    try {
      events.push(...this.#frame(prefix.end, end));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      events.push(`refused ${error.message}`);
    }
    return end;
  }

  #frame(at: number, end: number): string[] {
    const first = this.#bytes[at];
    const isArray = (first & 0xf0) === 0x90 || first === 0xdc || first === 0xdd;
    const needsHello = (): never => {
      throw new Fatal(this.#saidHello ? 'malformed_frame' : 'hello_required');
    };
    if (!isArray) return needsHello();
    const head = first === 0xdc ? 3 : first === 0xdd ? 5 : 1;
    if (at + head > end) return needsHello();
    const count = head === 1 ? first & 15 : Number(this.#unsigned(at + 1, head - 1));
    if (count === 0) return needsHello();
    const kind = this.#kind(at + head, end);
    if (kind !== 0 && !this.#saidHello) throw new Fatal('hello_required');
    if (FIELDS[kind] !== count) malformed();
    return this.#fields(kind, at + head, end);
  }

  #kind(at: number, end: number): number {
    try {
      return Number(whole(this.#value(at, end), U32));
    } catch {
      throw new Fatal(this.#saidHello ? 'malformed_frame' : NO_HELLO);
    }
  }

  #fields(kind: number, from: number, end: number): string[] {
    // Later versions may go on in another way, so this comes before all else.
    if (kind === 0 && whole(this.#second(from, end), U32) !== 1n) {
      throw new Fatal('unsupported_version');
    }
    const values: Value[] = [];
    let at = from;
    for (let i = 0; i < FIELDS[kind]; i++) {
      const value = this.#value(at, end);
      values.push(value);
      at = value.end;
    }
    if (at !== end) malformed();
    const [, ...fields] = values;
    switch (kind) {
      case 0:
        return this.#hello(fields);
      case 1:
        return this.#register(fields);
      case 2:
        return this.#request(fields);
      case 3:
        return [`close ${this.#id(fields[0])} ${whole(fields[1], U53)}`];
      case 4:
        return [`pong ${this.#hex(fields[0])}`];
      default:
        return this.#call(fields);
    }
  }

  #second(from: number, end: number): Value {
    return this.#value(this.#value(from, end).end, end);
  }

  /** One value that the protocol takes. A frame's own array is not one of its levels. */
  #value(at: number, end: number): Value {
    let value: Value;
    try {
      value = read(this.#bytes, at, end);
    } catch (error) {
      if (error instanceof NoValue) return malformed();
      throw error;
    }
    if (value.depth > VALUE_DEPTH_MAX || value.hasRecord) malformed();
    return value;
  }

  #hello([, options]: Value[]): string[] {
    for (const [key] of entriesOf(options)) name(key);
    if (this.#saidHello) malformed();
    this.#saidHello = true;
    return ['welcome'];
  }

  #request([id, session, request, operation, body]: Value[]): string[] {
    const text = this.#id(id);
    const number = whole(session, U53);
    const asked = whole(request, U53);
    const operated = whole(operation, U53);
    this.#limitBody(body);
    if (asked >= U32) throw new Refused('requests_exhausted');
    const known = operated > 0x100n ? 0x100n : operated;
    return [`request ${text} ${number} ${asked} ${known} ${this.#hex(body)}`];
  }

  #call([correlation, id, operation, body]: Value[]): string[] {
    const number = whole(correlation, U32);
    if (id.kind === 'nil') {
      const called = name(operation);
      this.#limitBody(body);
      return [`operator ${JSON.stringify(called)} ${number} ${this.#hex(body)}`];
    }
    const text = this.#id(id);
    const operated = whole(operation, U53);
    this.#limitBody(body);
    const known = operated > 0x100n ? 0x100n : operated;
    return [`call ${text} ${number} ${known} ${this.#hex(body)}`];
  }

  #register([id, options]: Value[]): string[] {
    const text = this.#id(id);
    const entries = entriesOf(options);
    const found = new Map<string, string>();
    let isRefused = false;
    // All of it is read, as what breaks the protocol counts more than what cannot be served.
    for (const [key, value] of entries) {
      const option = name(key);
      const taken = this.#option(option, value);
      if (taken === undefined) isRefused = true;
      // Of options that come twice the last one counts that is not nil.
      else if (taken !== '') found.set(option, taken);
    }
    if (isRefused) throw new Refused('invalid_options');
    const inOrder = OPTIONS.flatMap((option) => found.get(option) ?? []);
    return [`register ${text} ${inOrder.join(', ')}`];
  }

  /** What an option comes to, '' for nothing; undefined when it is refused. */
  #option(key: string, value: Value): string | undefined {
    const isNil = value.kind === 'nil';
    const items = value.items ?? [];
    switch (key) {
      case 'ttl_ms':
        if (isNil) return 'ttl never';
        return isWithin(value, TTL_MS_MAX) ? `ttl ${numberOf(value)}` : undefined;
      case 'rate': {
        if (isNil) return '';
        if (value.kind !== 'array' || items.length !== 2) return undefined;
        const [perSecond, burst] = items;
        const isGood = isWithin(perSecond, RATE_PER_SECOND_MAX) && isWithin(burst, RATE_BURST_MAX);
        return isGood ? `rate ${numberOf(perSecond)} ${numberOf(burst)}` : undefined;
      }
      case 'scope':
        if (isNil) return '';
        // A text where a name belongs is held to the length of one.
        return value.kind === 'string' && name(value) === 'connection' ? 'scope' : undefined;
      case 'capabilities':
        return isNil ? '' : this.#capabilities(value);
      case 'data':
        if (isNil) return '';
        if (value.kind !== 'map' || value.end - value.start > this.#limits.dataBytesMax) {
          return undefined;
        }
        return `data ${this.#hex(value)}`;
      default:
        return undefined;
    }
  }

  #capabilities({ kind, items }: Value): string | undefined {
    if (kind !== 'array' || items === undefined) return undefined;
    if (items.length > CAPABILITIES_MAX) malformed();
    const isText = items.map((item) => item.kind === 'string');
    const names = items.filter((_, i) => isText[i]).map(name);
    if (isText.includes(false)) return undefined;
    const bits = this.#limits.capabilities.filter((one) => names.includes(one));
    return bits.length === 0 ? '' : `may ${bits.join(' ')}`;
  }

  #limitBody(body: Value): void {
    if (body.end - body.start > this.#limits.bodyBytesMax) throw new Refused('body_too_large');
  }

  #id(value: Value): string {
    const digits = value.text.slice(1, -1);
    if (value.kind !== 'bytes' || digits.length !== 32 || /^0*$/.test(digits)) malformed();
    return digits;
  }

  #hex({ start, end }: Value): string {
    return Buffer.from(this.#bytes.subarray(start, end)).toString('hex');
  }

  #unsigned(at: number, width: number): bigint {
    return BigInt(`0x${Buffer.from(this.#bytes.subarray(at, at + width)).toString('hex')}`);
  }
}

/** A whole number from 0 to below `limit`, in any form. */
function whole(value: Value, limit: bigint): bigint {
  let number = value.integer;
  // A float counts up to where each whole number is one.
  if (Number.isSafeInteger(value.float)) number = BigInt(value.float as number);
  return number !== undefined && number >= 0n && number < limit ? number : malformed();
}

const numberOf = ({ integer, float }: Value): number => float ?? Number(integer ?? Number.NaN);

function isWithin(value: Value, max: number): boolean {
  const number = numberOf(value);
  return Number.isInteger(number) && number >= 1 && number <= max;
}

/** A name, whose text is all that counts. */
function name(value: Value): string {
  if (value.kind !== 'string') return malformed();
  return value.end - (value.bytesAt ?? 0) > NAME_BYTES_MAX ? malformed() : JSON.parse(value.text);
}

function entriesOf({ kind, items }: Value): [Value, Value][] {
  if (kind !== 'map' || items === undefined || items.length > 2 * OPTIONS_MAX) return malformed();
  return items.flatMap((key, i): [Value, Value][] => (i % 2 === 0 ? [[key, items[i + 1]]] : []));
}
