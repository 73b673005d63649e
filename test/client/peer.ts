/**
 * A server for tests that does what each test tells it. It encodes and decodes with another
 * msgpack library than the client, so that the two cannot agree on a mistake.
 */
import { EventEmitter } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { decode, encode } from '@msgpack/msgpack';
import { type Connection, connect } from '../../src/transport/client/connection.ts';
import type { ConnectOptions } from '../../src/transport/client/options.ts';

export const HELLO = 0;
export const REGISTER = 1;
export const REQUEST = 2;
export const CLOSE = 3;
export const PING = 4;
export const CALL = 5;

export const WELCOME = {
  operations: { get: 1, put: 2, merge: 4, echo: 10 },
  limits: {
    frame_bytes_max: 65536,
    body_bytes_max: 1024,
    data_bytes_max: 1024,
    reply_bytes_max: 2048,
    sessions_max: 100,
    in_flight_max: 64,
    ttl_ms_max: 2 ** 32 - 2,
  },
  capabilities: [],
  shards: 1,
  engine: '0.1.0',
};

/** One frame of the client. */
export interface Received {
  readonly kind: number;
  /** What follows the kind. */
  readonly fields: unknown[];
  readonly bytes: Buffer;
  readonly socket: PeerSocket;
}

/** The fields of a request frame. */
export function requestOf(frame: Received) {
  const [id, session, request, operation, body] = frame.fields as [
    Uint8Array,
    number,
    number,
    number,
    unknown,
  ];
  return { id, session, request, operation, body };
}

export function frameBytes(values: readonly unknown[]): Buffer {
  const body = encode(values);
  const head = Buffer.from([0xce, 0, 0, 0, 0]);
  head.writeUInt32BE(body.byteLength, 1);
  return Buffer.concat([head, body]);
}

/** The server's end of one connection. */
export class PeerSocket {
  /** Frames of each chunk that arrived: chunks of a loopback socket are single writes. */
  readonly chunks: number[] = [];
  #buffer = Buffer.alloc(0);

  constructor(
    readonly socket: Socket,
    readonly peer: Peer,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => {});
  }

  send(...values: unknown[]): void {
    this.raw(frameBytes(values));
  }

  raw(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /** Answers a register. */
  registered(frame: Received, session = 7, last = 0, resumed = false): void {
    const granted = { resumed, ttl_ms: 3_600_000, rate: null, capabilities: [] };
    this.send(17, frame.fields[0], session, last, granted);
  }

  /** Answers a request, with status ok and its own body if not told otherwise. */
  reply(frame: Received, body: unknown = requestOf(frame).body, status = 0): void {
    const { id, session, request } = requestOf(frame);
    this.send(18, id, session, request, status, body);
  }

  refuse(frame: Received, code: string, details: unknown = null): void {
    const { id, request } = requestOf(frame);
    const number = frame.kind === REQUEST ? request : null;
    this.send(22, code, `test: ${code}`, id, number, details);
  }

  evict(id: unknown, session: number, reason: string): void {
    this.send(19, id, session, reason);
  }

  /** Cuts the connection without another word. */
  destroy(): void {
    this.socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    let frames = 0;
    while (this.#buffer.byteLength >= 5) {
      if (this.#buffer[0] !== 0xce) throw new Error('the client must use the 5-byte form');
      const end = 5 + this.#buffer.readUInt32BE(1);
      if (this.#buffer.byteLength < end) break;
      const bytes = this.#buffer.subarray(0, end);
      this.#buffer = this.#buffer.subarray(end);
      const [kind, ...fields] = decode(bytes.subarray(5)) as [number, ...unknown[]];
      frames += 1;
      this.peer.take({ kind, fields, bytes: Buffer.from(bytes), socket: this });
    }
    this.chunks.push(frames);
  }
}

/** What the peer answers by itself. */
export interface Automatic {
  hello: boolean;
  ping: boolean;
  register: boolean;
  request: boolean;
  close: boolean;
}

export class Peer extends EventEmitter<{ frame: []; connection: [] }> {
  readonly received: Received[] = [];
  readonly sockets: PeerSocket[] = [];
  automatic: Automatic = { hello: true, ping: true, register: true, request: false, close: false };
  welcome: unknown = WELCOME;
  readonly #server: Server;
  readonly #clients: Connection[] = [];
  #read = 0;
  #sessions = 6;

  private constructor(server: Server) {
    super();
    this.#server = server;
    server.on('connection', (socket) => {
      this.sockets.push(new PeerSocket(socket, this));
      this.emit('connection');
    });
  }

  static async listen(automatic: Partial<Automatic> = {}): Promise<Peer> {
    const server = createServer();
    const peer = new Peer(server);
    Object.assign(peer.automatic, automatic);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return peer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The newest connection. */
  get socket(): PeerSocket {
    return this.sockets.at(-1) as PeerSocket;
  }

  /** A client of this peer, whose waits are the shortest, closed together with it. */
  async connect(options: ConnectOptions = {}): Promise<Connection> {
    const waits = { reconnectMinMs: 1, reconnectMaxMs: 4, random: () => 0 };
    const connection = await connect({ port: this.port, ...waits, ...options });
    this.#clients.push(connection);
    return connection;
  }

  take(frame: Received): void {
    this.received.push(frame);
    this.#answer(frame);
    this.emit('frame');
  }

  /** The next frame of this kind that was not asked for before; those between are passed over. */
  async next(kind: number): Promise<Received> {
    for (;;) {
      while (this.#read < this.received.length) {
        const frame = this.received[this.#read++];
        if (frame.kind === kind) return frame;
      }
      await new Promise<void>((resolve) => this.once('frame', resolve));
    }
  }

  /** Resolves when there have been so many connections. */
  async connections(count: number): Promise<PeerSocket> {
    while (this.sockets.length < count) {
      await new Promise<void>((resolve) => this.once('connection', resolve));
    }
    return this.sockets[count - 1];
  }

  count(kind: number): number {
    return this.received.filter((frame) => frame.kind === kind).length;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((connection) => connection.close()));
    for (const { socket } of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(frame: Received): void {
    const { socket } = frame;
    const { automatic } = this;
    if (frame.kind === HELLO && automatic.hello) socket.send(16, 1, this.welcome);
    if (frame.kind === PING && automatic.ping) socket.send(20, frame.fields[0]);
    if (frame.kind === REGISTER && automatic.register) {
      this.#sessions += 1;
      socket.registered(frame, this.#sessions);
    }
    if (frame.kind === REQUEST && automatic.request) socket.reply(frame);
    if (frame.kind === CLOSE && automatic.close) {
      socket.evict(frame.fields[0], frame.fields[1] as number, 'closed');
    }
  }
}

/** Resolves when an emitter of 'state' is in that state. */
export async function inState(
  subject: Pick<EventEmitter, 'once'> & { readonly state: string },
  wanted: string,
): Promise<void> {
  while (subject.state !== wanted) {
    await new Promise<void>((resolve) => subject.once('state', () => resolve()));
  }
}

/** The error that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error('it did not reject');
}
