/**
 * A socket of the load: TCP, a Unix socket, or TLS. Plain ones are all read into one buffer, as
 * Node would allocate 64 KiB for each read, and are written without Node's queue while there is
 * room; with one request in flight these two are most of what a request costs.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { writeNow } from '../../transport/write-now.ts';
import type { Endpoint } from '../endpoint.ts';

/** What one read brings at most: as much as Node's own reads. */
const READ_BYTES = 64 * 1024;

/** Codes of a certificate that is not accepted. */
const UNTRUSTED = /CERT|VERIFY|ALTNAME/;

const shared = new Uint8Array(READ_BYTES);
const sharedView = new DataView(shared.buffer);

export interface WireHooks {
  connected(): void;
  /** Takes the bytes from 0 to `length`, which are gone when it returns. */
  received(bytes: Uint8Array, view: DataView, length: number): void;
  /** It has ended, for whatever reason; said once. */
  down(why: string): void;
}

export class Wire {
  readonly #socket: Socket;
  readonly #isPlain: boolean;
  readonly #hooks: WireHooks;
  #isDown = false;

  constructor(endpoint: Endpoint, hooks: WireHooks) {
    this.#hooks = hooks;
    this.#isPlain = endpoint.tls === undefined;
    this.#socket = this.#isPlain ? this.#plain(endpoint) : this.#secure(endpoint);
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      // A host with several addresses fails with an error whose own message is empty.
      const why = error.message === '' ? (error.code ?? 'no connection') : error.message;
      const isUnknown = UNTRUSTED.test(error.code ?? '');
      this.end(isUnknown ? `${why}; see --ca and --servername` : why);
    });
    this.#socket.on('close', () => this.end('the server closed the connection'));
  }

  /** Sends the first bytes of a buffer, which may be overwritten afterwards. */
  write(bytes: Buffer, length: number): void {
    const socket = this.#socket;
    let sent = 0;
    if (this.#isPlain && socket.writableLength === 0) sent = writeNow(socket, bytes, length);
    if (sent < length) socket.write(Buffer.from(bytes.subarray(sent, length)));
  }

  /** Gives the socket up. */
  end(why: string): void {
    if (this.#isDown) return;
    this.#isDown = true;
    this.#socket.destroy();
    this.#hooks.down(why);
  }

  /** Ends it without a word to its owner, after what was written has left. */
  close(): void {
    this.#isDown = true;
    this.#socket.destroySoon();
  }

  #plain({ host, port, path }: Endpoint): Socket {
    const callback = (length: number): boolean => {
      if (!this.#isDown) this.#hooks.received(shared, sharedView, length);
      return true;
    };
    const onread = { buffer: shared, callback };
    const where = path === undefined ? { host, port, noDelay: true } : { path };
    const socket = connect({ ...where, onread });
    socket.on('connect', () => this.#hooks.connected());
    return socket;
  }

  #secure({ host, port, path, tls }: Endpoint): Socket {
    const where = path === undefined ? { host, port } : { path };
    const socket = connectTls({ ...where, ...tls });
    socket.setNoDelay(true);
    socket.on('secureConnect', () => this.#hooks.connected());
    socket.on('data', (chunk: Buffer) => {
      const { buffer, byteOffset, byteLength } = chunk;
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      const view = new DataView(buffer, byteOffset, byteLength);
      if (!this.#isDown) this.#hooks.received(bytes, view, byteLength);
    });
    return socket;
  }
}
