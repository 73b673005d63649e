/**
 * Room for a batch of request frames that differ in four words only: which session of the load, its
 * number, and the request's. Only these are written for each request.
 */
import { FRAME_HEADER_BYTES, ID_BYTES, ToServer } from '../../transport/protocol.ts';
import { type Ids, PREFIX_BYTES } from './ids.ts';
import { Busy, type Lanes } from './lanes.ts';
import { UNSCHEDULED } from './pace.ts';
import type { Target } from './target.ts';

/** Where the parts of a frame are: length, array and kind, then a bin of 16 bytes. */
const ID_AT = FRAME_HEADER_BYTES + 2 + 2;
const INDEX_AT = ID_AT + PREFIX_BYTES;
const SESSION_AT = ID_AT + ID_BYTES + 1;
const REQUEST_AT = SESSION_AT + 9;
const OPERATION_AT = REQUEST_AT + 4;
/** An operation up to here is one byte. */
const FIXINT_MAX = 0x7f;

export class RequestFrames {
  readonly bytes: Buffer;
  /** Bytes written into the batch so far. */
  length = 0;
  readonly #frameBytes: number;
  readonly #view: DataView;
  readonly #lanes: Lanes;
  readonly #base: number;

  /** The lanes of the batch. */
  readonly #batch: Uint32Array;
  #count = 0;

  /** @param most frames that a batch has at most */
  constructor(target: Target, { prefix, base }: Ids, lanes: Lanes, most: number) {
    const frame = skeleton(target, prefix);
    this.#frameBytes = frame.byteLength;
    this.bytes = Buffer.alloc(most * frame.byteLength, frame);
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    this.#batch = new Uint32Array(most);
    this.#lanes = lanes;
    this.#base = base;
  }

  get isFull(): boolean {
    return this.#count === this.#batch.length;
  }

  /** Adds the request of a lane, as its columns say. There must be room. */
  add(lane: number): void {
    const view = this.#view;
    const lanes = this.#lanes;
    const at = this.length;
    view.setUint32(at + INDEX_AT, this.#base + lane);
    view.setUint32(at + SESSION_AT, lanes.sessionHigh[lane]);
    view.setUint32(at + SESSION_AT + 4, lanes.sessionLow[lane]);
    view.setUint32(at + REQUEST_AT, lanes.request[lane]);
    this.length = at + this.#frameBytes;
    this.#batch[this.#count++] = lane;
    lanes.busy[lane] = Busy.OPEN;
  }

  /** The batch leaves now: here latencies begin, but for requests that had a time of their own. */
  stamp(nowMs: number): void {
    const { sinceMs } = this.#lanes;
    for (let i = 0; i < this.#count; i++) {
      const lane = this.#batch[i];
      if (sinceMs[lane] === UNSCHEDULED) sinceMs[lane] = nowMs;
    }
  }

  clear(): void {
    this.length = 0;
    this.#count = 0;
  }
}

/** Bytes of one frame, to find out how large a batch would be. */
export function frameBytesOf(target: Target): number {
  return skeleton(target, new Uint8Array(PREFIX_BYTES)).byteLength;
}

/** A request frame whose numbers all have their longest form, so that they can be patched. */
function skeleton({ operation, body }: Target, prefix: Uint8Array): Buffer {
  const name = operation <= FIXINT_MAX ? [operation] : [0xcc, operation];
  const frame = Buffer.alloc(OPERATION_AT + name.length + body.byteLength);
  frame[0] = 0xce;
  frame.writeUInt32BE(frame.byteLength - FRAME_HEADER_BYTES, 1);
  frame.set([0x96, ToServer.REQUEST, 0xc4, ID_BYTES], FRAME_HEADER_BYTES);
  frame.set(prefix, ID_AT);
  frame[SESSION_AT - 1] = 0xcf;
  frame[REQUEST_AT - 1] = 0xce;
  frame.set(name, OPERATION_AT);
  body.copy(frame, OPERATION_AT + name.length);
  return frame;
}
