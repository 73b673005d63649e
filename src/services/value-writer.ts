/**
 * Writes one msgpack value into a fixed region: a reply, or a session's new data. Past the
 * region's end it only notes that the value is too large, so that an operation needs no checks of
 * its own; the request then gets the status `too_large` and nothing changes.
 */
import { assert } from '../core/assert.ts';
import { copyWords } from '../core/copy.ts';
import { encodeValue } from './values.ts';

const NO_MEMORY = new ArrayBuffer(0);

/** Where a float is taken apart into bytes. */
const float = new DataView(new ArrayBuffer(8));

export class ValueWriter {
  words: Int32Array = new Int32Array(NO_MEMORY);
  bytes: Uint8Array = new Uint8Array(NO_MEMORY);
  /** The region: its first word, and its capacity in bytes. */
  word = 0;
  capacity = 0;
  /** Bytes written; 0 = nothing yet. */
  length = 0;
  tooLarge = false;
  written = false;
  #isClosed = false;

  aim(words: Int32Array, bytes: Uint8Array, word: number, capacity: number): void {
    this.words = words;
    this.bytes = bytes;
    this.word = word;
    this.capacity = capacity;
    this.#isClosed = false;
    this.clear();
  }

  /** Goes on in another region, taking along what was written. */
  retarget(words: Int32Array, bytes: Uint8Array, word: number, capacity: number): void {
    assert(this.length <= capacity, 'what was written fits the new region');
    copyWords(this.words, this.word, words, word, this.length);
    this.words = words;
    this.bytes = bytes;
    this.word = word;
    this.capacity = capacity;
  }

  /** Takes no more, and keeps what it has: what a careless operation still writes is lost. */
  close(): void {
    this.#isClosed = true;
  }

  clear(): void {
    if (this.#isClosed) return;
    this.length = 0;
    this.tooLarge = false;
    this.written = false;
  }

  /** Encodes any value. Allocates; operations on a hot path use the methods below. */
  value(value: unknown): void {
    this.clear();
    this.encoded(encodeValue(value));
  }

  /** A value that is msgpack already, from anywhere. */
  encoded(from: Uint8Array): void {
    this.clear();
    if (!this.#room(from.byteLength)) return;
    const at = this.word * 4;
    for (let i = 0; i < from.byteLength; i++) this.bytes[at + i] = from[i];
    this.length = from.byteLength;
  }

  /** A value that is msgpack already, from memory where it starts at a whole word. */
  copy(words: Int32Array, word: number, length: number): void {
    this.clear();
    if (!this.#room(length)) return;
    copyWords(words, word, this.words, this.word, length);
    this.length = length;
  }

  /** Appends the bytes of one value that is msgpack already, after a header. */
  append(bytes: Uint8Array, at: number, length: number): void {
    if (!this.#room(length)) return;
    const to = this.word * 4 + this.length;
    for (let i = 0; i < length; i++) this.bytes[to + i] = bytes[at + i];
    this.length += length;
  }

  nil(): void {
    this.#byte(0xc0);
  }

  /** An array header in the shortest form; its elements are to follow. */
  array(elements: number): void {
    if (elements <= 0x0f) return this.#byte(0x90 | elements);
    this.#header(0xdc, elements);
  }

  /** A map header in the shortest form; its entries, each a key and a value, are to follow. */
  map(entries: number): void {
    if (entries <= 0x0f) return this.#byte(0x80 | entries);
    this.#header(0xde, entries);
  }

  /** A non-negative safe integer, in the shortest form. */
  uint(value: number): void {
    if (value <= 0x7f) return this.#byte(value);
    if (value <= 0xff) {
      this.#byte(0xcc);
      return this.#byte(value);
    }
    if (value <= 0xffff) {
      this.#byte(0xcd);
      return this.#bigEndian(value, 2);
    }
    if (value <= 0xffffffff) {
      this.#byte(0xce);
      return this.#bigEndian(value, 4);
    }
    this.#byte(0xcf);
    this.#bigEndian(Math.floor(value / 0x100000000), 4);
    this.#bigEndian(value >>> 0, 4);
  }

  /** A safe integer, in the shortest form. */
  int(value: number): void {
    if (value >= -0x20) return value < 0 ? this.#byte(value & 0xff) : this.uint(value);
    if (value >= -0x80) {
      this.#byte(0xd0);
      return this.#byte(value & 0xff);
    }
    if (value >= -0x8000) {
      this.#byte(0xd1);
      return this.#bigEndian(value, 2);
    }
    if (value >= -0x80000000) {
      this.#byte(0xd2);
      return this.#bigEndian(value, 4);
    }
    this.#byte(0xd3);
    this.#bigEndian(Math.floor(value / 0x100000000), 4);
    this.#bigEndian(value >>> 0, 4);
  }

  /** A number as float64, also one that is whole. */
  float(value: number): void {
    float.setFloat64(0, value);
    this.#byte(0xcb);
    for (let i = 0; i < 8; i++) this.#byte(float.getUint8(i));
  }

  /** The header of a container too long for a short one: a count of 2 bytes or of 4. */
  #header(wide: number, count: number): void {
    if (count <= 0xffff) {
      this.#byte(wide);
      return this.#bigEndian(count, 2);
    }
    this.#byte(wide + 1);
    this.#bigEndian(count, 4);
  }

  #bigEndian(value: number, count: number): void {
    for (let shift = (count - 1) * 8; shift >= 0; shift -= 8) this.#byte((value >>> shift) & 0xff);
  }

  #byte(value: number): void {
    if (!this.#room(1)) return;
    this.bytes[this.word * 4 + this.length] = value;
    this.length += 1;
  }

  #room(count: number): boolean {
    if (this.#isClosed) return false;
    this.written = true;
    if (!this.tooLarge && this.length + count <= this.capacity) return true;
    this.tooLarge = true;
    return false;
  }
}
