/**
 * Walks over msgpack in place, without decoding it: what it carries on is carried byte for byte.
 *
 * Bodies and data were checked to be well-formed when they came in, so bytes that end inside a
 * value are a programming error here, and an assertion. A value of another type than the one asked
 * for is not: the method says so and the reader stays where it is.
 */
import { assert } from '../core/assert.ts';

const NO_BYTES = new Uint8Array(0);

/** Where the bytes of a float are put together; the memory of a value may be at any offset. */
const float = new DataView(new ArrayBuffer(8));

/** Memory as a Buffer, kept because making one costs more than a short text of it. */
const wholes = new WeakMap<ArrayBufferLike, Buffer>();

/** What `number` found. */
export const enum Numeric {
  NONE = 0,
  INTEGER = 1,
  FLOAT = 2,
}

export class ValueReader {
  bytes: Uint8Array = NO_BYTES;
  at = 0;
  end = 0;

  /** The last number, rounded if it is an integer of more than 53 bits. */
  value = 0;
  /** The last integer exactly, as two unsigned words in two's complement. */
  low = 0;
  high = 0;
  isNegative = false;

  aim(bytes: Uint8Array, at: number, length: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = at + length;
  }

  /** Lets go of the memory, which else would live as long as the reader. */
  release(): void {
    this.aim(NO_BYTES, 0, 0);
  }

  isNil(): boolean {
    return this.#first() === 0xc0;
  }

  /** How many elements the array has that starts here; −1 when none does. */
  array(): number {
    const first = this.#first();
    if ((first & 0xf0) === 0x90) return this.#pass(1, first & 0x0f);
    if (first === 0xdc || first === 0xdd) return this.#header(first - 0xdb);
    return -1;
  }

  /** How many entries the map has that starts here; −1 when none does. */
  map(): number {
    const first = this.#first();
    if ((first & 0xf0) === 0x80) return this.#pass(1, first & 0x0f);
    if (first === 0xde || first === 0xdf) return this.#header(first - 0xdd);
    return -1;
  }

  /** How many bytes the string has that starts here, with `at` left on them; −1 when none does. */
  string(): number {
    const first = this.#first();
    let length = -1;
    if ((first & 0xe0) === 0xa0) length = this.#pass(1, first & 0x1f);
    else if (first >= 0xd9 && first <= 0xdb) length = this.#header(first - 0xd9);
    assert(length <= this.end - this.at, 'a value lies within its bytes');
    return length;
  }

  /** Reads the number that starts here into `value` and, if it is an integer, the words. */
  number(): Numeric {
    const first = this.#first();
    if (first <= 0x7f || first >= 0xe0) return this.#integer(0, 1, first >= 0xe0);
    if (first >= 0xcc && first <= 0xcf) return this.#integer(1, 1 << (first - 0xcc), false);
    if (first >= 0xd0 && first <= 0xd3) return this.#integer(1, 1 << (first - 0xd0), true);
    if (first === 0xca) return this.#float(4);
    if (first === 0xcb) return this.#float(8);
    return Numeric.NONE;
  }

  /** A safe integer that is not negative, in any form, also that of a float; otherwise −1. */
  whole(): number {
    const isNumber = this.number() !== Numeric.NONE;
    return isNumber && Number.isSafeInteger(this.value) && this.value >= 0 ? this.value : -1;
  }

  /** The last integer, whatever its size. Allocates. */
  exact(): bigint {
    const high = this.isNegative ? this.high - 0x100000000 : this.high;
    return (BigInt(high) << 32n) | BigInt(this.low);
  }

  /** Passes over one whole value. Each turn consumes a byte, which bounds the loop. */
  skip(): void {
    let pending = 1;
    while (pending > 0) {
      pending += this.#skipHead() - 1;
      assert(pending <= this.end - this.at, 'a value lies within its bytes');
    }
  }

  /**
   * Passes over one whole value and returns a text that is the same for equal keys: a string or an
   * integer may be written in several widths, and anything else equals its own bytes only.
   * Allocates.
   */
  keyText(): string {
    const start = this.at;
    const length = this.string();
    if (length >= 0) {
      this.#advance(length);
      return `s${this.text(this.at - length, length)}`;
    }
    if (this.number() === Numeric.INTEGER) return `i${this.isNegative} ${this.high} ${this.low}`;
    this.at = start;
    this.skip();
    return `r${this.text(start, this.at - start)}`;
  }

  /** Bytes as a text of one character each. Allocates. */
  text(at: number, length: number): string {
    // Text decoders refuse shared memory and replace what is no UTF-8; this does neither.
    const { buffer, byteOffset } = this.bytes;
    let whole = wholes.get(buffer);
    if (whole === undefined) {
      whole = Buffer.from(buffer);
      wholes.set(buffer, whole);
    }
    return whole.toString('latin1', byteOffset + at, byteOffset + at + length);
  }

  #first(): number {
    assert(this.at < this.end, 'a value lies within its bytes');
    return this.bytes[this.at];
  }

  #advance(count: number): void {
    assert(count <= this.end - this.at, 'a value lies within its bytes');
    this.at += count;
  }

  #pass(count: number, result: number): number {
    this.#advance(count);
    return result;
  }

  /** Passes over a head whose count or length is in the 1, 2 or 4 bytes after it. */
  #header(width: number): number {
    const at = this.at + 1;
    this.#advance(1 + (1 << width));
    return this.#unsigned(at, 1 << width);
  }

  #unsigned(at: number, width: number): number {
    let value = 0;
    for (let i = 0; i < width; i++) value = (value << 8) | this.bytes[at + i];
    return value >>> 0;
  }

  #integer(head: number, width: number, isSigned: boolean): Numeric {
    const at = this.at + head;
    this.#advance(head + width);
    this.isNegative = isSigned && this.bytes[at] >= 0x80;
    this.high = this.isNegative ? 0xffffffff : 0;
    if (width === 8) {
      this.high = this.#unsigned(at, 4);
      this.low = this.#unsigned(at + 4, 4);
    } else {
      const unused = 32 - width * 8;
      const low = this.#unsigned(at, width);
      this.low = this.isNegative ? ((low << unused) >> unused) >>> 0 : low;
    }
    const high = this.isNegative ? this.high - 0x100000000 : this.high;
    this.value = high * 0x100000000 + this.low;
    return Numeric.INTEGER;
  }

  #float(width: number): Numeric {
    const at = this.at + 1;
    this.#advance(1 + width);
    for (let i = 0; i < width; i++) float.setUint8(i, this.bytes[at + i]);
    this.value = width === 4 ? float.getFloat32(0) : float.getFloat64(0);
    return Numeric.FLOAT;
  }

  /** Passes over one value's head and scalar bytes; returns how many values it contains. */
  #skipHead(): number {
    const first = this.#first();
    if (first <= 0x7f || first >= 0xe0) return this.#pass(1, 0);
    if (first <= 0x8f) return this.#pass(1, (first & 0x0f) * 2);
    if (first <= 0x9f) return this.#pass(1, first & 0x0f);
    if (first <= 0xbf) return this.#pass(1 + (first & 0x1f), 0);
    if (first <= 0xc3) return this.#pass(1, 0);
    if (first <= 0xc6) return this.#pass(this.#header(first - 0xc4), 0);
    if (first <= 0xc9) return this.#pass(this.#header(first - 0xc7) + 1, 0);
    if (first <= 0xcb) return this.#pass(first === 0xca ? 5 : 9, 0);
    if (first <= 0xcf) return this.#pass(1 + (1 << (first - 0xcc)), 0);
    if (first <= 0xd3) return this.#pass(1 + (1 << (first - 0xd0)), 0);
    if (first <= 0xd8) return this.#pass(2 + (1 << (first - 0xd4)), 0);
    if (first <= 0xdb) return this.#pass(this.#header(first - 0xd9), 0);
    if (first <= 0xdd) return this.#header(first - 0xdb);
    return this.#header(first - 0xdd) * 2;
  }
}
