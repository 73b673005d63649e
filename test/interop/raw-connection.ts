/**
 * A TCP connection that sends bytes as they are and cuts what comes back into frames: for tests
 * that look at the wire itself. It knows of the protocol only how a server writes a length.
 */
import { connect, type Socket } from 'node:net';

const HEADER_BYTES = 5;

export class RawConnection {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    // An end or a reset: either way nothing more comes.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawConnection(socket)));
    });
  }

  send(...frames: readonly Uint8Array[]): void {
    this.#socket.write(Buffer.concat(frames));
  }

  /** The next frame, its length included; undefined when the server has closed the connection. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = this.#cut();
      if (frame !== undefined || this.#ended) return frame;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #cut(): Uint8Array | undefined {
    const received = this.#received;
    if (received.byteLength < HEADER_BYTES) return undefined;
    const end = HEADER_BYTES + received.readUInt32BE(1);
    if (received.byteLength < end) return undefined;
    this.#received = received.subarray(end);
    return new Uint8Array(received.subarray(0, end));
  }
}

/** A frame around one msgpack value: the value's length first, in the 5-byte form. */
export function framed(body: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(HEADER_BYTES + body.byteLength);
  frame[0] = 0xce;
  frame.writeUInt32BE(body.byteLength, 1);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** What a frame of the server carries. */
export function unframed(frame: Uint8Array): Uint8Array {
  return frame.subarray(HEADER_BYTES);
}
