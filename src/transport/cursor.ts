/**
 * A tolerant msgpack cursor: reads the fields of a frame in place, in any legal width, without
 * making objects. It never throws on bad input; it notes the first problem in `problem` and from
 * then on returns zeros, so a caller checks once after reading all fields.
 *
 * Numbers above 31 bits are returned as Int32 bit patterns or as two words, as in `Message`.
 */
import { VALUE_DEPTH_MAX } from '../core/limits.ts';
import { ID_BYTES } from './protocol.ts';

const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(new ArrayBuffer(0));

/** The ext type under which msgpackr defines its records, a private extension. */
const MSGPACKR_RECORD = 0x72;

export class Cursor {
  bytes: Uint8Array = NO_BYTES;
  view: DataView = NO_VIEW;
  at = 0;
  end = 0;
  /** What was wrong first, or '' while all is well. */
  problem = '';

  /** The words of the last `uint`. */
  low = 0;
  high = 0;
  /** The words of the last `id`, little-endian, so that they are its bytes in memory. */
  id0 = 0;
  id1 = 0;
  id2 = 0;
  id3 = 0;

  readonly #remaining = new Float64Array(VALUE_DEPTH_MAX + 1);

  reset(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    this.bytes = bytes;
    this.view = view;
    this.at = at;
    this.end = end;
    this.problem = '';
  }

  fail(problem: string): void {
    if (this.problem === '') this.problem = problem;
    this.at = this.end;
  }

  /** The next byte without consuming it, or −1 at the end. */
  peek(): number {
    return this.at < this.end ? this.bytes[this.at] : -1;
  }

  /** An array header; −1 when the next value is no array. */
  arrayLength(): number {
    const first = this.#first();
    if ((first & 0xf0) === 0x90) return first & 0x0f;
    if (first === 0xdc && this.#need(2)) return this.#u16();
    if (first === 0xdd && this.#need(4)) return this.#u32();
    this.fail('an array was expected');
    return -1;
  }

  /** A map header; −1 when the next value is no map. */
  mapLength(): number {
    const first = this.#first();
    if ((first & 0xf0) === 0x80) return first & 0x0f;
    if (first === 0xde && this.#need(2)) return this.#u16();
    if (first === 0xdf && this.#need(4)) return this.#u32();
    this.fail('a map was expected');
    return -1;
  }

  /** Consumes nil if it is next. */
  nil(): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== 0xc0) return false;
    this.at += 1;
    return true;
  }

  /** An unsigned integer up to 2^53−1, into `low` and `high`. Integral floats count as integers. */
  uint(): void {
    this.low = 0;
    this.high = 0;
    const first = this.#first();
    if (first <= 0x7f) {
      this.low = first;
      return;
    }
    switch (first) {
      case 0xcc:
        if (this.#need(1)) this.low = this.bytes[this.at++];
        return;
      case 0xcd:
        if (this.#need(2)) this.low = this.#u16();
        return;
      case 0xce:
        if (this.#need(4)) this.low = this.#i32();
        return;
      case 0xcf:
        return this.#uint64();
      default:
        return this.#uintFromSigned(first);
    }
  }

  /** An unsigned integer below 2^32, as its Int32 bit pattern. */
  uint32(): number {
    this.uint();
    if (this.high !== 0) this.fail('a number is above 2^32 - 1');
    return this.low;
  }

  /** A client id: 16 bytes, not all zero, into `id0` … `id3`. */
  id(): void {
    const first = this.#first();
    let length = -1;
    if (first === 0xc4 && this.#need(1)) length = this.bytes[this.at++];
    else if (first === 0xc5 && this.#need(2)) length = this.#u16();
    else if (first === 0xc6 && this.#need(4)) length = this.#u32();
    if (length !== ID_BYTES) return this.fail('an id must be 16 bytes of type bin');
    if (!this.#need(ID_BYTES)) return;
    const view = this.view;
    const at = this.at;
    this.id0 = view.getInt32(at, true);
    this.id1 = view.getInt32(at + 4, true);
    this.id2 = view.getInt32(at + 8, true);
    this.id3 = view.getInt32(at + 12, true);
    this.at = at + ID_BYTES;
    if ((this.id0 | this.id1 | this.id2 | this.id3) === 0) this.fail('an id must not be all zero');
  }

  /**
   * A string's byte length, with `at` left on its first byte, or −1 when the next value is no
   * string. The caller moves on by the length.
   */
  stringLength(): number {
    const first = this.#first();
    let length = -1;
    if ((first & 0xe0) === 0xa0) length = first & 0x1f;
    else if (first === 0xd9 && this.#need(1)) length = this.bytes[this.at++];
    else if (first === 0xda && this.#need(2)) length = this.#u16();
    else if (first === 0xdb && this.#need(4)) length = this.#u32();
    if (length < 0) {
      this.fail('a string was expected');
      return -1;
    }
    return this.#need(length) ? length : -1;
  }

  /**
   * Passes over one whole value, checking that it is well-formed and not too deep. Each turn of
   * the loop consumes at least one byte, which bounds it by the frame.
   */
  skip(): void {
    const remaining = this.#remaining;
    let depth = 0;
    remaining[0] = 1;
    while (depth >= 0) {
      if (remaining[depth] === 0) {
        depth -= 1;
        continue;
      }
      remaining[depth] -= 1;
      const children = this.#skipHead();
      if (this.problem !== '') return;
      if (children === 0) continue;
      if (children > this.end - this.at) return this.fail('the frame ends inside a value');
      if (depth === VALUE_DEPTH_MAX) return this.fail('a value is nested deeper than 32 levels');
      depth += 1;
      remaining[depth] = children;
    }
  }

  /** Passes over one value's head and scalar bytes; returns how many values it contains. */
  #skipHead(): number {
    const first = this.#first();
    if (first <= 0x7f || first >= 0xe0) return 0;
    if (first <= 0x8f) return (first & 0x0f) * 2;
    if (first <= 0x9f) return first & 0x0f;
    if (first <= 0xbf) return this.#pass(first & 0x1f);
    if (first <= 0xc3) {
      if (first === 0xc1) this.fail('the byte c1 is never used in msgpack');
      return 0;
    }
    if (first <= 0xc6) return this.#pass(this.#length(first - 0xc4));
    if (first <= 0xc9) return this.#passExtension(this.#length(first - 0xc7));
    if (first <= 0xcb) return this.#pass(first === 0xca ? 4 : 8);
    if (first <= 0xcf) return this.#pass(1 << (first - 0xcc));
    if (first <= 0xd3) return this.#pass(1 << (first - 0xd0));
    if (first <= 0xd8) return this.#passExtension(1 << (first - 0xd4));
    if (first <= 0xdb) return this.#pass(this.#length(first - 0xd9));
    if (first <= 0xdd) return this.#length(first - 0xdb);
    return this.#length(first - 0xdd) * 2;
  }

  /** A length of 1, 2 or 4 bytes. */
  #length(width: number): number {
    if (!this.#need(1 << width)) return 0;
    if (width === 0) return this.bytes[this.at++];
    return width === 1 ? this.#u16() : this.#u32();
  }

  #pass(length: number): number {
    if (this.#need(length)) this.at += length;
    return 0;
  }

  #passExtension(length: number): number {
    if (!this.#need(1 + length)) return 0;
    if (this.bytes[this.at] === MSGPACKR_RECORD) {
      this.fail('msgpackr records are private to that library: encode with useRecords: false');
      return 0;
    }
    this.at += 1 + length;
    return 0;
  }

  #uint64(): void {
    if (!this.#need(8)) return;
    this.high = this.#i32();
    this.low = this.#i32();
    if (this.high >>> 0 > 0x1fffff) this.fail('a number is above 2^53 - 1');
  }

  #uintFromSigned(first: number): void {
    let value = -1;
    if (first === 0xd0 && this.#need(1)) value = this.view.getInt8(this.at);
    else if (first === 0xd1 && this.#need(2)) value = this.view.getInt16(this.at);
    else if (first === 0xd2 && this.#need(4)) value = this.view.getInt32(this.at);
    else if (first === 0xd3 && this.#need(8)) {
      const high = this.view.getInt32(this.at);
      value = high < 0 ? -1 : high * 0x100000000 + this.view.getUint32(this.at + 4);
    } else if (first === 0xca && this.#need(4)) value = this.view.getFloat32(this.at);
    else if (first === 0xcb && this.#need(8)) value = this.view.getFloat64(this.at);
    if (!Number.isSafeInteger(value) || value < 0) {
      return this.fail('a whole number that is not negative was expected');
    }
    this.at += first === 0xca ? 4 : first === 0xcb ? 8 : 1 << (first - 0xd0);
    this.low = value | 0;
    this.high = (value / 0x100000000) | 0;
  }

  #first(): number {
    if (this.at < this.end) return this.bytes[this.at++];
    this.fail('the frame ends inside a value');
    return 0xc1;
  }

  #need(count: number): boolean {
    if (count <= this.end - this.at) return true;
    this.fail('the frame ends inside a value');
    return false;
  }

  #u16(): number {
    const value = this.view.getUint16(this.at);
    this.at += 2;
    return value;
  }

  #u32(): number {
    const value = this.view.getUint32(this.at);
    this.at += 4;
    return value;
  }

  #i32(): number {
    const value = this.view.getInt32(this.at);
    this.at += 4;
    return value;
  }
}
