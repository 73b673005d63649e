/**
 * msgpack read a second time, from its specification and with nothing of the code under test: one
 * function that calls itself for each value. It says where a value ends, how deep it is, and what
 * it is, as a text that is the same for equal values in whatever widths they are written.
 */

/** The ext type that the protocol refuses. */
const RECORD = 0x72;

export interface Value {
  readonly kind: 'nil' | 'boolean' | 'number' | 'string' | 'bytes' | 'array' | 'map' | 'ext';
  readonly start: number;
  readonly end: number;
  /** Containers within containers; one without elements does not count. */
  readonly depth: number;
  readonly text: string;
  /** An integer, exactly. */
  readonly integer?: bigint;
  readonly float?: number;
  /** Where the bytes of a string, bin or ext begin. */
  readonly bytesAt?: number;
  readonly items?: readonly Value[];
  /** An ext of the type that is refused, at any depth. */
  readonly hasRecord: boolean;
  /** Ext of any type, at any depth. */
  readonly hasExt: boolean;
  /**
   * A key that a decoder may read as `__proto__`, at any depth: that one, and one that is no
   * UTF-8. `@msgpack/msgpack` takes overlong forms, and for a character that is cut it goes on
   * with the bytes behind the text; it also remembers keys, so one key may be read in two ways.
   */
  readonly hasProto: boolean;
  /** What other decoders may see in another way: text that is no UTF-8, keys that are no text. */
  readonly isOdd: boolean;
}

/** Bytes that are no value. */
export class NoValue extends Error {}

/** The value at `at`; throws `NoValue` when none ends before `end`. */
export function read(bytes: Uint8Array, at: number, end: number): Value {
  return new Reading(bytes, end).value(at);
}

class Reading {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;

  constructor(bytes: Uint8Array, end: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = end;
  }

  value(start: number): Value {
    const first = this.#unsigned(start, 1);
    if (first <= 0x7f) return integer(start, start + 1, BigInt(first));
    if (first >= 0xe0) return integer(start, start + 1, BigInt(first - 256));
    if (first <= 0x8f) return this.#container(start, start + 1, first - 0x80, true);
    if (first <= 0x9f) return this.#container(start, start + 1, first - 0x90, false);
    if (first <= 0xbf) return this.#string(start, start + 1, first - 0xa0);
    return this.#other(start, first);
  }

  #other(start: number, first: number): Value {
    const at = start + 1;
    const width = (lowest: number): number => 1 << (first - lowest);
    const length = (lowest: number): number => this.#unsigned(at, width(lowest));
    switch (first) {
      case 0xc0:
        return scalar('nil', start, at, 'nil');
      case 0xc2:
      case 0xc3:
        return scalar('boolean', start, at, String(first === 0xc3));
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#blob(start, at + width(0xc4), length(0xc4));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(start, at + width(0xc7), length(0xc7));
      case 0xca:
        this.#need(at, 4);
        return float(start, at + 4, this.#view.getFloat32(at));
      case 0xcb:
        this.#need(at, 8);
        return float(start, at + 8, this.#view.getFloat64(at));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(start, at, width(0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#string(start, at + width(0xd9), length(0xd9));
      case 0xdc:
      case 0xdd:
        return this.#container(start, at + width(0xdb), length(0xdb), false);
      case 0xde:
      case 0xdf:
        return this.#container(start, at + width(0xdd), length(0xdd), true);
      case 0xc1:
        throw new NoValue('c1 is never used');
      default:
        return this.#integer(start, at, first);
    }
  }

  #integer(start: number, at: number, first: number): Value {
    const isSigned = first >= 0xd0;
    const width = 1 << (first - (isSigned ? 0xd0 : 0xcc));
    this.#need(at, width);
    let value = 0n;
    for (let i = 0; i < width; i++) value = (value << 8n) | BigInt(this.#bytes[at + i]);
    return integer(start, at + width, isSigned ? BigInt.asIntN(width * 8, value) : value);
  }

  #string(start: number, at: number, length: number): Value {
    this.#need(at, length);
    const piece = this.#bytes.subarray(at, at + length);
    const text = Buffer.from(piece).toString('utf8');
    // Bytes that are no UTF-8 become replacement characters, and each library has its own.
    const isOdd = !Buffer.from(text).equals(piece);
    const end = at + length;
    return { ...scalar('string', start, end, JSON.stringify(text)), bytesAt: at, isOdd };
  }

  #blob(start: number, at: number, length: number): Value {
    this.#need(at, length);
    const digits = Buffer.from(this.#bytes.subarray(at, at + length)).toString('hex');
    return { ...scalar('bytes', start, at + length, `<${digits}>`), bytesAt: at };
  }

  #extension(start: number, at: number, length: number): Value {
    this.#need(at, 1 + length);
    const type = this.#bytes[at];
    const digits = Buffer.from(this.#bytes.subarray(at + 1, at + 1 + length)).toString('hex');
    const found = scalar('ext', start, at + 1 + length, `ext ${type} <${digits}>`);
    return { ...found, bytesAt: at + 1, hasExt: true, hasRecord: type === RECORD };
  }

  #container(start: number, from: number, count: number, isMap: boolean): Value {
    const items: Value[] = [];
    let at = from;
    for (let i = 0; i < count * (isMap ? 2 : 1); i++) {
      const item = this.value(at);
      items.push(item);
      at = item.end;
    }
    const depth = items.length === 0 ? 0 : 1 + Math.max(...items.map((item) => item.depth));
    const keys = isMap ? items.filter((_, i) => i % 2 === 0) : [];
    const texts = items.map(({ text }) => text);
    return {
      kind: isMap ? 'map' : 'array',
      start,
      end: at,
      depth,
      text: isMap ? `{${pairs(texts).sort().join(', ')}}` : `[${texts.join(', ')}]`,
      items,
      hasRecord: items.some(({ hasRecord }) => hasRecord),
      hasExt: items.some(({ hasExt }) => hasExt),
      hasProto: items.some(({ hasProto }) => hasProto) || keys.some(maybeProto),
      isOdd: items.some(({ isOdd }) => isOdd) || areOdd(keys),
    };
  }

  #unsigned(at: number, width: number): number {
    this.#need(at, width);
    if (width === 1) return this.#bytes[at];
    return width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #need(at: number, count: number): void {
    if (at + count > this.#end) throw new NoValue('the bytes end inside a value');
  }
}

/** Keys that objects of JavaScript cannot have, or only once. */
function areOdd(keys: readonly Value[]): boolean {
  const isPlain = (key: Value): boolean => key.kind === 'string' && !isProto(key);
  return !keys.every(isPlain) || new Set(keys.map(({ text }) => text)).size !== keys.length;
}

const isProto = ({ text }: Value): boolean => text === '"__proto__"';

const maybeProto = (key: Value): boolean => isProto(key) || (key.kind === 'string' && key.isOdd);

export function pairs(texts: readonly string[]): string[] {
  return texts.flatMap((key, i) => (i % 2 === 0 ? [`${key}: ${texts[i + 1]}`] : []));
}

function scalar(kind: Value['kind'], start: number, end: number, text: string): Value {
  const has = { hasRecord: false, hasExt: false, hasProto: false, isOdd: false };
  return { kind, start, end, depth: 0, text, ...has };
}

function integer(start: number, end: number, value: bigint): Value {
  return { ...scalar('number', start, end, numberText(value)), integer: value };
}

function float(start: number, end: number, value: number): Value {
  return { ...scalar('number', start, end, numberText(value)), float: value };
}

/** The text of a number, the same for an integer and for a float of that value. */
export function numberText(value: number | bigint): string {
  if (Number.isInteger(value)) return String(BigInt(value));
  return String(value);
}
