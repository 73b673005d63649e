/**
 * `REPLACE` of a tuple of a 16-byte key and a 64-byte string, in Tarantool's binary protocol. A
 * reply carries the number of its request, which is the lane, and the tuple that was stored.
 */
import { PAYLOAD_BYTES } from './job.ts';
import { type Lanes, textAt } from './protocol.ts';
import type { Wire } from './wire.ts';

/** The space that tarantool.lua makes. */
const SPACE = 512;
const GREETING_BYTES = 128;
const LENGTH_BYTES = 5;

const REPLACE = 0x03;
const KEY_BYTES = 16;
// Length, then {type: REPLACE, sync}, then {space, tuple: [key, value]}.
const TYPE = Buffer.from([0x82, 0x00, REPLACE, 0x01, 0xce]);
const SYNC_AT = LENGTH_BYTES + TYPE.byteLength;
const SPACE_ID = Buffer.from([0x82, 0x10, 0xcd, SPACE >> 8, SPACE & 0xff]);
const TUPLE = Buffer.from([0x21, 0x92, 0xa0 | KEY_BYTES]);
const CONNECTION_AT = SYNC_AT + 4 + SPACE_ID.byteLength + TUPLE.byteLength;
const LANE_AT = CONNECTION_AT + KEY_BYTES - 4;
const VALUE = Buffer.from([0xd9, PAYLOAD_BYTES]);
const VALUE_AT = CONNECTION_AT + KEY_BYTES + VALUE.byteLength;

/** A reply after its length: a map of three, code (u32), sync (u64), schema version. */
const REPLY_HEAD = 0x8300ce00;
const CODE_AT = LENGTH_BYTES + 3;
const REPLY_SYNC_AT = CODE_AT + 4 + 2 + 4;
const REPLY_BYTES_MIN = REPLY_SYNC_AT + 4;

export class TarantoolLanes implements Lanes {
  readonly frameBytes = VALUE_AT + PAYLOAD_BYTES;
  readonly #connection: number;
  readonly #requests: Uint32Array;
  #view = new DataView(new ArrayBuffer(0));
  lane = 0;

  constructor(connection: number, lanes: number) {
    this.#connection = connection;
    this.#requests = new Uint32Array(lanes);
  }

  /** The server speaks first: a line with its version, a line with salt. */
  prepare(wire: Wire): Promise<void> {
    let greeting = '';
    return new Promise((resolve) => {
      wire.receive = (bytes, _, length) => {
        greeting += bytes.toString('latin1', 0, length);
        if (greeting.length < GREETING_BYTES) return;
        if (greeting.length > GREETING_BYTES || !greeting.startsWith('Tarantool')) {
          throw new Error(`Tarantool greeted with ${JSON.stringify(greeting)}`);
        }
        resolve();
      };
    });
  }

  skeleton(frames: number): Buffer {
    const frame = Buffer.alloc(this.frameBytes, 'x');
    frame[0] = 0xce;
    frame.writeUInt32BE(this.frameBytes - LENGTH_BYTES, 1);
    TYPE.copy(frame, LENGTH_BYTES);
    SPACE_ID.copy(frame, SYNC_AT + 4);
    TUPLE.copy(frame, CONNECTION_AT - TUPLE.byteLength);
    frame.fill('k', CONNECTION_AT, LANE_AT);
    frame.writeUInt32BE(this.#connection, CONNECTION_AT);
    VALUE.copy(frame, VALUE_AT - VALUE.byteLength);
    const all = Buffer.alloc(frames * this.frameBytes, frame);
    this.#view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    return all;
  }

  patch(at: number, lane: number): void {
    const view = this.#view;
    view.setUint32(at + SYNC_AT, lane);
    view.setUint32(at + LANE_AT, lane);
    view.setUint32(at + VALUE_AT, ++this.#requests[lane]);
  }

  scan(view: DataView, at: number, end: number): number {
    if (end - at < REPLY_BYTES_MIN) return -1;
    const next = at + LENGTH_BYTES + view.getUint32(at + 1);
    if (next > end) return -1;
    // The last byte of this word is the first of the code.
    if (view.getUint32(at + LENGTH_BYTES) !== REPLY_HEAD || view.getUint32(at + CODE_AT) !== 0) {
      throw new Error(`Tarantool answered ${textAt(view, at, next)}`);
    }
    this.lane = view.getUint32(at + REPLY_SYNC_AT);
    return next;
  }
}
