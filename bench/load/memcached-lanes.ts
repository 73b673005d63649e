/**
 * `ms key 64` with a 16-byte key and a 64-byte value, in memcached's meta protocol. Keys must be
 * printable there, so a connection or a lane is four hexadecimal digits.
 */
import { PAYLOAD_BYTES } from './job.ts';
import { type Lanes, textAt } from './protocol.ts';

const KEY_BYTES = 16;
const HEAD = Buffer.from('ms ');
const MIDDLE = Buffer.from(` ${PAYLOAD_BYTES}\r\n`);
const CONNECTION_AT = HEAD.byteLength;
const LANE_AT = CONNECTION_AT + KEY_BYTES - 4;
const VALUE_AT = CONNECTION_AT + KEY_BYTES + MIDDLE.byteLength;

/** `HD\r\n` as a big-endian word. */
const STORED = 0x48440d0a;
const STORED_BYTES = 4;

export class MemcachedLanes implements Lanes {
  readonly frameBytes = VALUE_AT + PAYLOAD_BYTES + 2;
  readonly #connection: number;
  readonly #lanes: number;
  readonly #digits: Uint32Array;
  readonly #requests: Uint32Array;
  #view = new DataView(new ArrayBuffer(0));
  #oldest = -1;
  lane = 0;

  constructor(connection: number, lanes: number) {
    this.#connection = connection;
    this.#lanes = lanes;
    this.#digits = Uint32Array.from({ length: lanes }, (_, lane) => digitsOf(lane));
    this.#requests = new Uint32Array(lanes);
  }

  async prepare(): Promise<void> {}

  skeleton(frames: number): Buffer {
    const frame = Buffer.alloc(this.frameBytes, 'x');
    HEAD.copy(frame);
    frame.fill('k', CONNECTION_AT, LANE_AT);
    frame.writeUInt32BE(digitsOf(this.#connection), CONNECTION_AT);
    MIDDLE.copy(frame, CONNECTION_AT + KEY_BYTES);
    frame.write('\r\n', this.frameBytes - 2);
    const all = Buffer.alloc(frames * this.frameBytes, frame);
    this.#view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    return all;
  }

  patch(at: number, lane: number): void {
    const view = this.#view;
    view.setUint32(at + LANE_AT, this.#digits[lane]);
    view.setUint32(at + VALUE_AT, ++this.#requests[lane]);
    view.setUint32(at + VALUE_AT + 4, lane);
  }

  /** memcached answers a connection in order, so the lane is the one that has waited longest. */
  scan(view: DataView, at: number, end: number): number {
    if (end - at < STORED_BYTES) return -1;
    if (view.getUint32(at) !== STORED) {
      throw new Error(`memcached answered ${textAt(view, at, end)}`);
    }
    this.#oldest = this.#oldest + 1 === this.#lanes ? 0 : this.#oldest + 1;
    this.lane = this.#oldest;
    return at + STORED_BYTES;
  }
}

/** Four hexadecimal digits as a word; a number that needs more would share its key with another. */
function digitsOf(number: number): number {
  if (number > 0xffff) throw new Error(`${number} has more than four hexadecimal digits`);
  return Buffer.from(number.toString(16).padStart(4, '0')).readUInt32BE();
}
