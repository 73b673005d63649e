/**
 * Reads a reply where it lies in what was received, without making anything of it: whose it is,
 * and its status. This is the frame of nearly every answer, and what it costs bounds the load.
 */
import type { FrameBuffer } from '../../transport/frame-buffer.ts';
import { ToClient } from '../../transport/protocol.ts';
import { Busy, type Lanes } from './lanes.ts';

/** An array of six, the kind, and the head of a bin of 16 bytes, as one big-endian word. */
const HEAD = 0x96000000 + (ToClient.REPLY << 16) + 0xc410;
const INDEX_AT = 4 + 12;
const SESSION_AT = 4 + 16;
/** The shortest reply: one byte each for session, request, status and body. */
const BYTES_MIN = SESSION_AT + 4;

export class ReplyReader {
  /** The lane whose request the last reply answers; −1 when it answers none that is open. */
  lane = -1;
  status = 0;
  readonly #lanes: Lanes;
  readonly #base: number;
  #at = 0;
  #high = 0;

  constructor(lanes: Lanes, base: number) {
    this.#lanes = lanes;
    this.#base = base;
  }

  /** Whether the frame is a reply; it has then been read. */
  read(frames: FrameBuffer): boolean {
    const { view, start, end } = frames;
    if (end - start < BYTES_MIN || view.getUint32(start) !== HEAD) return false;
    const lanes = this.#lanes;
    const lane = view.getUint32(start + INDEX_AT) - this.#base;
    this.#at = start + SESSION_AT;
    const session = this.#uint(view);
    const isSession = session === lanes.sessionLow[lane] && this.#high === lanes.sessionHigh[lane];
    const request = this.#uint(view);
    const isOpen = isSession && lanes.busy[lane] === Busy.OPEN && request === lanes.request[lane];
    this.lane = isOpen ? lane : -1;
    this.status = this.#uint(view);
    return true;
  }

  /** The lower word of an unsigned integer; the upper one is left in `#high`. */
  #uint(view: DataView): number {
    const at = this.#at;
    const first = view.getUint8(at);
    this.#high = 0;
    if (first <= 0x7f) {
      this.#at = at + 1;
      return first;
    }
    if (first === 0xce) {
      this.#at = at + 5;
      return view.getUint32(at + 1);
    }
    if (first === 0xcf) {
      this.#at = at + 9;
      this.#high = view.getUint32(at + 1);
      return view.getUint32(at + 5);
    }
    const isShort = first === 0xcd;
    this.#at = at + (isShort ? 3 : 2);
    return isShort ? view.getUint16(at + 1) : view.getUint8(at + 1);
  }
}
