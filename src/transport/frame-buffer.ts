/**
 * Cuts a byte stream into frames. Whole frames are handed out where they lie in the chunk; only a
 * frame that is split over chunks is copied, into a buffer of exactly its size. A frame's length
 * is checked against the limit before a byte of its body is kept, so a connection never holds more
 * than one chunk and one frame.
 */
import { FRAME_HEADER_BYTES_MAX } from './protocol.ts';

export const enum FrameState {
  /** A frame lies in `bytes` from `start` to `end`. */
  READY = 0,
  /** The rest of the stream has not arrived yet. */
  MORE = 1,
  TOO_LARGE = 2,
  MALFORMED = 3,
}

const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(new ArrayBuffer(0));

export class FrameBuffer {
  /** The frame that `next` found, and a view of the same bytes. */
  bytes: Uint8Array = NO_BYTES;
  view: DataView = NO_VIEW;
  start = 0;
  end = 0;

  #chunk: Uint8Array = NO_BYTES;
  #chunkView: DataView = NO_VIEW;
  #at = 0;
  #chunkEnd = 0;

  /** The split frame: its header's bytes first, then, once its length is known, its body. */
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES_MAX);
  readonly #headerView = new DataView(this.#header.buffer);
  #headerLength = 0;
  #body: Uint8Array | undefined;
  #bodyLength = 0;

  #bodyStart = 0;
  #length = 0;
  /** Frames that were split so far. */
  #splits = 0;

  /** @param frameBytesMax the longest frame; it holds for headers that are read from now on */
  constructor(public frameBytesMax: number) {}

  /**
   * Gives the next chunk, the first `length` bytes of `chunk`. The chunk before must have been used
   * up: `next` said `MORE`.
   *
   * @param view shows the same bytes
   */
  feed(chunk: Uint8Array, view: DataView, length: number): void {
    this.#chunk = chunk;
    this.#chunkView = view;
    this.#chunkEnd = length;
    this.#at = 0;
  }

  /**
   * Copies what is left of the chunk, whose memory is about to hold other bytes.
   *
   * @param frameToo the frame that `next` found is needed further, too
   */
  keepRest(frameToo: boolean): void {
    const withFrame = frameToo && this.bytes === this.#chunk;
    const from = withFrame ? this.start : this.#at;
    if (from === this.#chunkEnd) return;
    const rest = this.#chunk.slice(from, this.#chunkEnd);
    const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength);
    if (withFrame) {
      this.bytes = rest;
      this.view = view;
      this.start -= from;
      this.end -= from;
    }
    const at = this.#at - from;
    this.feed(rest, view, rest.byteLength);
    this.#at = at;
  }

  /** Bytes of the chunk that were not handed out yet. */
  get waiting(): number {
    return this.#chunkEnd - this.#at;
  }

  /** The frame of which only a part has come, as a number of its own; 0 = there is none. */
  get unfinished(): number {
    return this.#body !== undefined || this.#headerLength > 0 ? this.#splits : 0;
  }

  next(): FrameState {
    if (this.#body !== undefined) return this.#continueBody(this.#body);
    if (this.#headerLength > 0) return this.#continueHeader();
    const state = this.#readHeader(this.#chunk, this.#chunkView, this.#at, this.#chunkEnd);
    if (state === FrameState.MORE) return this.#keepHeader();
    if (state !== FrameState.READY) return state;
    const end = this.#bodyStart + this.#length;
    if (end > this.#chunkEnd) {
      this.#at = this.#bodyStart;
      this.#splits += 1;
      return this.#startBody();
    }
    this.bytes = this.#chunk;
    this.view = this.#chunkView;
    this.start = this.#bodyStart;
    this.end = end;
    this.#at = end;
    return FrameState.READY;
  }

  /** Reads a length prefix in any width of an unsigned integer. */
  #readHeader(bytes: Uint8Array, view: DataView, at: number, end: number): FrameState {
    if (at >= end) return FrameState.MORE;
    const first = bytes[at];
    const width = widthOf(first);
    if (width < 0) return FrameState.MALFORMED;
    if (at + 1 + width > end) return FrameState.MORE;
    if (first >= 0xd0 && first <= 0xd3 && view.getInt8(at + 1) < 0) return FrameState.MALFORMED;
    let length = first;
    if (width === 1) length = bytes[at + 1];
    else if (width === 2) length = view.getUint16(at + 1);
    else if (width === 4) length = view.getUint32(at + 1);
    else if (width === 8) {
      if (view.getUint32(at + 1) !== 0) return FrameState.TOO_LARGE;
      length = view.getUint32(at + 5);
    }
    if (length > this.frameBytesMax) return FrameState.TOO_LARGE;
    if (length === 0) return FrameState.MALFORMED;
    this.#bodyStart = at + 1 + width;
    this.#length = length;
    return FrameState.READY;
  }

  #keepHeader(): FrameState {
    const rest = this.#chunkEnd - this.#at;
    for (let i = 0; i < rest; i++) this.#header[i] = this.#chunk[this.#at + i];
    this.#headerLength = rest;
    this.#splits += 1;
    this.#at = this.#chunkEnd;
    return FrameState.MORE;
  }

  #continueHeader(): FrameState {
    while (this.#at < this.#chunkEnd) {
      this.#header[this.#headerLength] = this.#chunk[this.#at];
      this.#headerLength += 1;
      this.#at += 1;
      const state = this.#readHeader(this.#header, this.#headerView, 0, this.#headerLength);
      if (state === FrameState.MORE) continue;
      this.#headerLength = 0;
      return state === FrameState.READY ? this.#startBody() : state;
    }
    return FrameState.MORE;
  }

  #startBody(): FrameState {
    this.#body = new Uint8Array(this.#length);
    this.#bodyLength = 0;
    return this.#continueBody(this.#body);
  }

  #continueBody(body: Uint8Array): FrameState {
    const wanted = body.byteLength - this.#bodyLength;
    const count = Math.min(wanted, this.#chunkEnd - this.#at);
    body.set(this.#chunk.subarray(this.#at, this.#at + count), this.#bodyLength);
    this.#at += count;
    this.#bodyLength += count;
    if (count < wanted) return FrameState.MORE;
    this.#body = undefined;
    this.bytes = body;
    this.view = new DataView(body.buffer);
    this.start = 0;
    this.end = body.byteLength;
    return FrameState.READY;
  }
}

/** Bytes that follow the first one of a msgpack integer; −1 when it starts none. */
function widthOf(first: number): number {
  if (first <= 0x7f) return 0;
  if (first >= 0xcc && first <= 0xcf) return 1 << (first - 0xcc);
  if (first >= 0xd0 && first <= 0xd3) return 1 << (first - 0xd0);
  return -1;
}
