/**
 * A client for tests that sends any bytes at all, and reads frames with another msgpack library
 * than the server. Nothing in it waits for a time: a test that waits in vain hits its deadline.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { decode, encode } from '@msgpack/msgpack';
import type { RunningServer } from '../../dist/serve.js';

export const HELLO = 0;
export const REGISTER = 1;
export const REQUEST = 2;
export const CLOSE = 3;
export const PING = 4;
export const CALL = 5;

export const WELCOME = 16;
export const REGISTERED = 17;
export const REPLY = 18;
export const EVICTION = 19;
export const PONG = 20;
export const RESULT = 21;
export const ERROR = 22;

/** Numbers of the built-in service's operations. */
export const ECHO = 0;
export const GET = 1;
export const PUT = 2;

export type Frame = readonly [number, ...unknown[]];

/** The id that stands for a small number. */
export function idOf(number: number): Uint8Array {
  const id = Buffer.alloc(16, 0xa5);
  id.writeUInt32LE(number, 4);
  return new Uint8Array(id);
}

/** Any bytes behind a length prefix of five bytes. */
export function framed(body: Uint8Array | readonly number[]): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.from([0xce, 0, 0, 0, 0]);
  head.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([head, bytes]);
}

export function frame(...values: readonly unknown[]): Buffer {
  return framed(encode(values));
}

export class RawClient {
  readonly #frames: Frame[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #parsed = 0;
  #isClosed = false;
  #wake = (): void => {};

  private constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** @param localPort the client's own port; 0 = any */
  static async open(server: RunningServer, localPort = 0): Promise<RawClient> {
    const { port, host } = server.address;
    const socket = connect(localPort === 0 ? { port, host } : { port, host, localPort });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** Connected, and greeted. */
  static async greeted(server: RunningServer, localPort = 0): Promise<RawClient> {
    const client = await RawClient.open(server, localPort);
    client.send(HELLO, 1, {});
    const welcome = await client.next();
    if (welcome[0] !== WELCOME) throw new Error(`no welcome: ${JSON.stringify(welcome)}`);
    return client;
  }

  send(...values: readonly unknown[]): void {
    this.raw(frame(...values));
  }

  raw(bytes: Uint8Array | readonly number[]): void {
    this.socket.write(bytes instanceof Uint8Array ? bytes : Buffer.from(bytes));
  }

  /** The next frame; undefined once the server has closed the connection. */
  async nextOrEnd(): Promise<Frame | undefined> {
    while (this.#frames.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift();
  }

  async next(): Promise<Frame> {
    const found = await this.nextOrEnd();
    if (found === undefined) throw new Error('the connection was closed');
    return found;
  }

  async take(count: number): Promise<Frame[]> {
    const frames: Frame[] = [];
    while (frames.length < count) frames.push(await this.next());
    return frames;
  }

  /** All frames up to the end of the connection. */
  async rest(): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (let f = await this.nextOrEnd(); f !== undefined; f = await this.nextOrEnd()) {
      frames.push(f);
    }
    return frames;
  }

  /** Registers, and returns the session's number. */
  async register(id: Uint8Array, options: unknown = {}): Promise<number> {
    this.send(REGISTER, id, options);
    const answer = await this.next();
    if (answer[0] !== REGISTERED) throw new Error(`not registered: ${JSON.stringify(answer)}`);
    return answer[2] as number;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#parsed === this.#bytes.byteLength ? chunk : this.#joined(chunk);
    let at = 0;
    while (bytes.byteLength - at >= 5) {
      if (bytes[at] !== 0xce) throw new Error('the server must use the 5-byte form');
      const end = at + 5 + bytes.readUInt32BE(at + 1);
      if (bytes.byteLength < end) break;
      // A plain array of bytes, so that the ids in it are plain ones too.
      const body = new Uint8Array(bytes.subarray(at + 5, end));
      this.#frames.push(decode(body) as unknown as Frame);
      at = end;
    }
    this.#bytes = bytes;
    this.#parsed = at;
    if (at > 0) this.#wake();
  }

  #joined(chunk: Buffer): Buffer {
    return Buffer.concat([this.#bytes.subarray(this.#parsed), chunk]);
  }
}
