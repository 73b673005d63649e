/**
 * `SET key value` with a 16-byte key and a 64-byte value, in Redis' protocol.
 */
import { PAYLOAD_BYTES } from './job.ts';
import { type Lanes, textAt } from './protocol.ts';

const KEY_BYTES = 16;
const HEAD = Buffer.from(`*3\r\n$3\r\nSET\r\n$${KEY_BYTES}\r\n`);
const MIDDLE = Buffer.from(`\r\n$${PAYLOAD_BYTES}\r\n`);
const CONNECTION_AT = HEAD.byteLength;
const LANE_AT = CONNECTION_AT + KEY_BYTES - 4;
const VALUE_AT = CONNECTION_AT + KEY_BYTES + MIDDLE.byteLength;

/** `+OK\r` as a big-endian word. */
const OK = 0x2b4f4b0d;
const OK_BYTES = 5;

export class RedisLanes implements Lanes {
  readonly frameBytes = VALUE_AT + PAYLOAD_BYTES + 2;
  readonly #connection: number;
  readonly #lanes: number;
  readonly #requests: Uint32Array;
  #view = new DataView(new ArrayBuffer(0));
  #oldest = -1;
  lane = 0;

  constructor(connection: number, lanes: number) {
    this.#connection = connection;
    this.#lanes = lanes;
    this.#requests = new Uint32Array(lanes);
  }

  async prepare(): Promise<void> {}

  skeleton(frames: number): Buffer {
    const frame = Buffer.alloc(this.frameBytes, 'x');
    HEAD.copy(frame);
    frame.fill('k', CONNECTION_AT, LANE_AT);
    frame.writeUInt32BE(this.#connection, CONNECTION_AT);
    MIDDLE.copy(frame, CONNECTION_AT + KEY_BYTES);
    frame.write('\r\n', this.frameBytes - 2);
    const all = Buffer.alloc(frames * this.frameBytes, frame);
    this.#view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    return all;
  }

  patch(at: number, lane: number): void {
    const view = this.#view;
    const request = ++this.#requests[lane];
    view.setUint32(at + LANE_AT, lane);
    view.setUint32(at + VALUE_AT, request);
    view.setUint32(at + VALUE_AT + 4, lane);
  }

  /** Redis answers in order, so the lane is the one that has waited longest. */
  scan(view: DataView, at: number, end: number): number {
    if (end - at < OK_BYTES) return -1;
    if (view.getUint32(at) !== OK) throw new Error(`Redis answered ${textAt(view, at, end)}`);
    this.#oldest = this.#oldest + 1 === this.#lanes ? 0 : this.#oldest + 1;
    this.lane = this.#oldest;
    return at + OK_BYTES;
  }
}
