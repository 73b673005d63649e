/**
 * Writes frames into one growing-by-replacement buffer. The owner decides what happens when a
 * buffer is full by handing in a new one (`use`); nothing here allocates.
 *
 * A frame is opened with `begin`, its fields are put one by one, and `finish` fills in its length.
 * The caller has made sure of the room: fields write without checking.
 */
import { FRAME_HEADER_BYTES, ID_BYTES } from './protocol.ts';

/** Up to here a loop is faster than a view of the bytes that the runtime copies. */
const LOOP_BYTES_MAX = 128;

const NO_BYTES = Buffer.alloc(0);
const NO_VIEW = new DataView(new ArrayBuffer(0));

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class FrameWriter {
  bytes: Buffer = NO_BYTES;
  view: DataView = NO_VIEW;
  at = 0;
  #start = 0;

  /** Continues in another buffer, from its beginning; `view` shows the same bytes. */
  use(buffer: Buffer, view = viewOf(buffer)): void {
    this.bytes = buffer;
    this.view = view;
    this.at = 0;
  }

  /** Bytes left in the buffer. */
  get room(): number {
    return this.bytes.byteLength - this.at;
  }

  /** Opens a frame: room for its length, then an array of `fields` fields with its kind first. */
  begin(kind: number, fields: number): void {
    this.#start = this.at;
    this.at += FRAME_HEADER_BYTES;
    this.bytes[this.at++] = 0x90 | fields;
    this.bytes[this.at++] = kind;
  }

  finish(): void {
    this.bytes[this.#start] = 0xce;
    this.view.setUint32(this.#start + 1, this.at - this.#start - FRAME_HEADER_BYTES);
  }

  id(id0: number, id1: number, id2: number, id3: number): void {
    const view = this.view;
    const at = this.at;
    this.bytes[at] = 0xc4;
    this.bytes[at + 1] = ID_BYTES;
    view.setInt32(at + 2, id0, true);
    view.setInt32(at + 6, id1, true);
    view.setInt32(at + 10, id2, true);
    view.setInt32(at + 14, id3, true);
    this.at = at + 2 + ID_BYTES;
  }

  /** An unsigned integer of 32 bits, given as any number with that bit pattern. */
  uint32(value: number): void {
    const n = value >>> 0;
    if (n <= 0x7f) {
      this.bytes[this.at++] = n;
    } else if (n <= 0xff) {
      this.bytes[this.at++] = 0xcc;
      this.bytes[this.at++] = n;
    } else if (n <= 0xffff) {
      this.bytes[this.at] = 0xcd;
      this.view.setUint16(this.at + 1, n);
      this.at += 3;
    } else {
      this.bytes[this.at] = 0xce;
      this.view.setUint32(this.at + 1, n);
      this.at += 5;
    }
  }

  /** An unsigned integer of 53 bits in two words. */
  uint53(low: number, high: number): void {
    if (high === 0) return this.uint32(low);
    this.bytes[this.at] = 0xcf;
    this.view.setUint32(this.at + 1, high);
    this.view.setUint32(this.at + 5, low);
    this.at += 9;
  }

  /** Any non-negative safe integer. */
  uint(value: number): void {
    this.uint53(value | 0, Math.floor(value / 0x100000000));
  }

  nil(): void {
    this.bytes[this.at++] = 0xc0;
  }

  boolean(value: boolean): void {
    this.bytes[this.at++] = value ? 0xc3 : 0xc2;
  }

  /** A map header for fewer than 16 entries. */
  map(entries: number): void {
    this.bytes[this.at++] = 0x80 | entries;
  }

  /** An array header for fewer than 16 elements. */
  array(elements: number): void {
    this.bytes[this.at++] = 0x90 | elements;
  }

  /** An array header for up to 65 535 elements. */
  longArray(elements: number): void {
    if (elements < 16) return this.array(elements);
    this.bytes[this.at] = 0xdc;
    this.view.setUint16(this.at + 1, elements);
    this.at += 3;
  }

  /** A string; needs room for 5 bytes beside its own. */
  string(text: string): void {
    const length = Buffer.byteLength(text);
    if (length <= 31) {
      this.bytes[this.at++] = 0xa0 | length;
    } else if (length <= 0xff) {
      this.bytes[this.at++] = 0xd9;
      this.bytes[this.at++] = length;
    } else {
      this.bytes[this.at] = 0xda;
      this.view.setUint16(this.at + 1, length);
      this.at += 3;
    }
    this.at += this.bytes.write(text, this.at, 'utf8');
  }

  /** One value that is msgpack already. */
  raw(bytes: Uint8Array, start: number, length: number): void {
    let at = this.at;
    this.at = at + length;
    if (length > LOOP_BYTES_MAX) return this.bytes.set(bytes.subarray(start, start + length), at);
    const to = this.bytes;
    for (let i = start; i < start + length; i++) to[at++] = bytes[i];
  }

  /** One value that is msgpack already, from a whole word of memory: for the short ones. */
  rawWords(words: Int32Array, bytes: Uint8Array, first: number, length: number): void {
    const view = this.view;
    const start = first * 4;
    const whole = length >>> 2;
    let at = this.at;
    for (let i = 0; i < whole; i++) {
      view.setInt32(at, words[first + i], true);
      at += 4;
    }
    for (let i = start + whole * 4; i < start + length; i++) this.bytes[at++] = bytes[i];
    this.at = at;
  }
}
