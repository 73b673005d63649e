/**
 * The frames to the server, each as bytes of its own: a request that may have to be sent again is
 * kept as the bytes that were sent first. Frames are written one behind the other into slabs, so
 * that those of one turn can leave as they lie.
 */
import type { ClientId } from '../../core/client-id.ts';
import { clientIdBytes } from '../../core/client-id.ts';
import { encodeValue } from '../../services/values.ts';
import { FrameWriter } from '../frame-writer.ts';
import { FRAME_OVERHEAD_BYTES, ID_BYTES, PROTOCOL_VERSION, ToServer } from '../protocol.ts';

/**
 * Room for some hundred small frames. A frame that waits for its answer keeps its slab in memory,
 * so larger ones would cost more than the few bytes that they save.
 */
const SLAB_BYTES = 16_384;

const NOWHERE = Buffer.alloc(0);

const slab = new FrameWriter();
/** For one frame that is longer than a slab. */
const own = new FrameWriter();
/** That of the frame that is being written. */
let writer = slab;
/** Where the frame begins that is being written. */
let start = 0;

/** A client id, as text for people and keys, and as it stands in a frame. */
export class Identity {
  readonly text: string;
  readonly wire: Uint8Array;

  constructor(id: ClientId) {
    const bytes = clientIdBytes(id);
    this.text = Buffer.from(bytes).toString('hex');
    this.wire = Uint8Array.of(0xc4, ID_BYTES, ...bytes);
  }
}

export function helloFrame(token: string | undefined, client: string | undefined): Buffer {
  const options = encodeValue({ token, client });
  open(ToServer.HELLO, 3, options.byteLength);
  writer.uint32(PROTOCOL_VERSION);
  return finish(options);
}

/** @param fields the options under their names on the wire, see `registerFields` */
export function registerFrame(identity: Identity, fields: Record<string, unknown>): Buffer {
  const options = encodeValue(fields, 'data');
  open(ToServer.REGISTER, 3, options.byteLength);
  identify(identity);
  return finish(options);
}

/** @param body encoded already */
export function requestFrame(
  identity: Identity,
  session: number,
  request: number,
  operation: number,
  body: Uint8Array,
): Buffer {
  open(ToServer.REQUEST, 6, body.byteLength);
  identify(identity);
  writer.uint(session);
  writer.uint32(request);
  writer.uint32(operation);
  return finish(body);
}

export function closeFrame(identity: Identity, session: number): Buffer {
  open(ToServer.CLOSE, 3, 0);
  identify(identity);
  writer.uint(session);
  return finish();
}

export function pingFrame(nonce: number): Buffer {
  open(ToServer.PING, 2, 0);
  writer.uint(nonce);
  return finish();
}

/** @param operation a number, or the name of a server-level operation, at most 255 bytes */
export function callFrame(
  correlation: number,
  identity: Identity | null,
  operation: number | string,
  body: Uint8Array,
): Buffer {
  const text = typeof operation === 'string' ? Buffer.byteLength(operation) + 5 : 0;
  open(ToServer.CALL, 5, body.byteLength + text);
  writer.uint32(correlation);
  if (identity === null) writer.nil();
  else identify(identity);
  if (typeof operation === 'string') writer.string(operation);
  else writer.uint32(operation);
  return finish(body);
}

function open(kind: number, fields: number, extraBytes: number): void {
  const bytes = FRAME_OVERHEAD_BYTES + extraBytes;
  writer = bytes > SLAB_BYTES ? own : slab;
  if (writer.room < bytes) writer.use(Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes)));
  start = writer.at;
  writer.begin(kind, fields);
}

function identify(identity: Identity): void {
  writer.raw(identity.wire, 0, identity.wire.byteLength);
}

function finish(body?: Uint8Array): Buffer {
  if (body !== undefined) writer.raw(body, 0, body.byteLength);
  writer.finish();
  const frame = writer.bytes.subarray(start, writer.at);
  // Only whoever sends it keeps so much memory.
  if (writer === own) own.use(NOWHERE);
  return frame;
}
