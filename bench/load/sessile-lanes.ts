/**
 * Sequenced requests in our protocol. A session has one request in flight, so each lane is a
 * session. Its id is the same in every run: a later run resumes it, as Redis finds its keys again.
 */
import { Packr, Unpackr } from 'msgpackr';
import { Status } from '../../dist/core/codes.js';
import { PROTOCOL_VERSION, ToClient, ToServer } from '../../dist/transport/protocol.js';
import { type Operation, PAYLOAD_BYTES } from './job.ts';
import type { Lanes } from './protocol.ts';
import type { Wire } from './wire.ts';

/** The numbers of the built-in service's operations, as `welcome` would tell them. */
const OPERATION_NUMBERS: Record<Operation, number> = { echo: 0, put: 2 };

const ID_BYTES = 16;
const HEADER_BYTES = 5;
// A frame: length, array and kind, id, then session in 9 and request in 5 bytes.
const ID_AT = HEADER_BYTES + 2 + 2;
const LANE_AT = ID_AT + ID_BYTES - 4;
const SESSION_AT = ID_AT + ID_BYTES + 1;
const REQUEST_AT = SESSION_AT + 9;
const OPERATION_AT = REQUEST_AT + 4;

/** A reply's array header and kind, and its id's header, as one big-endian word. */
const REPLY_HEAD = 0x96000000 | (ToClient.REPLY << 16) | 0xc410;
const STATUS_OK = Status.OK;

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

export class SessileLanes implements Lanes {
  readonly frameBytes: number;
  readonly #ids: Buffer[];
  readonly #operation: Operation;
  readonly #sessionsHigh: Uint32Array;
  readonly #sessionsLow: Uint32Array;
  readonly #requests: Uint32Array;
  readonly #body: Buffer;
  #view = new DataView(new ArrayBuffer(0));
  lane = 0;

  constructor(connection: number, lanes: number, operation: Operation) {
    this.#operation = operation;
    this.#ids = Array.from({ length: lanes }, (_, lane) => idOf(connection, lane));
    this.#sessionsHigh = new Uint32Array(lanes);
    this.#sessionsLow = new Uint32Array(lanes);
    this.#requests = new Uint32Array(lanes);
    const payload = Buffer.alloc(PAYLOAD_BYTES, 'x');
    this.#body = packr.pack(operation === 'put' ? { value: payload } : payload);
    this.frameBytes = OPERATION_AT + 1 + this.#body.byteLength;
  }

  /** Says hello and registers every lane's session. */
  prepare(wire: Wire): Promise<void> {
    const hello = frameOf([ToServer.HELLO, PROTOCOL_VERSION, {}]);
    const registers = this.#ids.map((id) => frameOf([ToServer.REGISTER, id, {}]));
    let missing = this.#ids.length;
    let bytes = Buffer.alloc(0);
    return new Promise((resolve) => {
      wire.receive = (chunk, _, length) => {
        bytes = Buffer.concat([bytes, chunk.subarray(0, length)]);
        for (let end = lengthAt(bytes); end >= 0; end = lengthAt(bytes)) {
          missing -= this.#prepared(unpackr.unpack(bytes.subarray(HEADER_BYTES, end)));
          bytes = bytes.subarray(end);
        }
        if (missing === 0) resolve();
      };
      wire.socket.write(Buffer.concat([hello, ...registers]));
    });
  }

  /** Takes a frame before the load; how many sessions it registered. */
  #prepared(fields: unknown[]): number {
    if (fields[0] === ToClient.WELCOME) return 0;
    if (fields[0] !== ToClient.REGISTERED) {
      throw new Error(`a register was answered ${JSON.stringify(fields)}`);
    }
    this.#registered(fields);
    return 1;
  }

  skeleton(frames: number): Buffer {
    const frame = Buffer.alloc(this.frameBytes);
    frame[0] = 0xce;
    frame.writeUInt32BE(this.frameBytes - HEADER_BYTES, 1);
    frame.set([0x96, ToServer.REQUEST, 0xc4, ID_BYTES], HEADER_BYTES);
    this.#ids[0].copy(frame, ID_AT);
    frame[SESSION_AT - 1] = 0xcf;
    frame[REQUEST_AT - 1] = 0xce;
    frame[OPERATION_AT] = OPERATION_NUMBERS[this.#operation];
    this.#body.copy(frame, OPERATION_AT + 1);
    const all = Buffer.alloc(frames * this.frameBytes, frame);
    this.#view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    return all;
  }

  patch(at: number, lane: number): void {
    const view = this.#view;
    view.setUint32(at + LANE_AT, lane);
    view.setUint32(at + SESSION_AT, this.#sessionsHigh[lane]);
    view.setUint32(at + SESSION_AT + 4, this.#sessionsLow[lane]);
    view.setUint32(at + REQUEST_AT, ++this.#requests[lane]);
  }

  scan(view: DataView, at: number, end: number): number {
    if (end - at < HEADER_BYTES) return -1;
    const next = at + HEADER_BYTES + view.getUint32(at + 1);
    if (next > end) return -1;
    if (view.getInt32(at + HEADER_BYTES) !== REPLY_HEAD) fail(view, at, next);
    this.lane = view.getUint32(at + LANE_AT);
    let status = at + ID_AT + ID_BYTES;
    status += widthOf(view.getUint8(status));
    status += widthOf(view.getUint8(status));
    if (view.getUint8(status) !== STATUS_OK) fail(view, at, next);
    return next;
  }

  #registered(fields: unknown[]): void {
    const lane = (fields[1] as Buffer).readUInt32BE(ID_BYTES - 4);
    const session = fields[2] as number;
    this.#sessionsHigh[lane] = session / 2 ** 32;
    this.#sessionsLow[lane] = session;
    this.#requests[lane] = fields[3] as number;
  }
}

/** Twelve bytes that differ from connection to connection, then the lane. */
function idOf(connection: number, lane: number): Buffer {
  const id = Buffer.alloc(ID_BYTES, 's');
  id.writeUInt32BE(connection + 1);
  id.writeUInt32BE(lane, ID_BYTES - 4);
  return id;
}

function frameOf(fields: unknown[]): Buffer {
  const body = packr.pack(fields);
  const header = Buffer.from([0xce, 0, 0, 0, 0]);
  header.writeUInt32BE(body.byteLength, 1);
  return Buffer.concat([header, body]);
}

/** Bytes of the frame at the front, or −1 if it is not whole. */
function lengthAt(bytes: Buffer): number {
  if (bytes.byteLength < HEADER_BYTES) return -1;
  const length = HEADER_BYTES + bytes.readUInt32BE(1);
  return length <= bytes.byteLength ? length : -1;
}

/** Bytes of an unsigned integer by its first one. */
function widthOf(first: number): number {
  if (first < 0x80) return 1;
  return first === 0xcc ? 2 : first === 0xcd ? 3 : first === 0xce ? 5 : 9;
}

function fail(view: DataView, at: number, end: number): never {
  const start = view.byteOffset + at + HEADER_BYTES;
  const fields = unpackr.unpack(Buffer.from(view.buffer, start, end - at - HEADER_BYTES));
  throw new Error(`a request was answered ${JSON.stringify(fields)}`);
}
