/**
 * Reads all sockets of one front end into one buffer. Left alone, Node allocates 64 KiB for every
 * read, which costs more than a small request does.
 *
 * Node offers this to sockets that connect (`onread` of `net.connect`) and not to those that a
 * server accepts, so the accepted socket's handle is given to a new socket that has the option.
 * `_handle`, and `handle` among the options, are not documented; where they are missing, sockets
 * are read as usual, and nothing but the cost differs.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Takes the bytes from 0 to `length`. They are gone when it returns. */
export type Receive = (bytes: Uint8Array, view: DataView, length: number) => void;

interface Internals {
  _handle: { useUserBuffer?: unknown } | null;
}

export class SharedInput {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** @param length the most that one read brings */
  constructor(length: number) {
    const bytes = new Uint8Array(length);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  /**
   * Begins to read a socket that its server accepted paused. Use the socket that this returns:
   * it stands for the accepted one.
   */
  read(accepted: Socket, receive: Receive): Socket {
    const internals = accepted as unknown as Internals;
    const handle = internals._handle;
    // The handle of a TLS socket is not the one that its plain bytes come from.
    const isPlain = !(accepted instanceof TLSSocket);
    if (!isPlain || handle === null || typeof handle?.useUserBuffer !== 'function') {
      return readPlainly(accepted, receive);
    }
    const onread = {
      buffer: this.#bytes,
      callback: (length: number): boolean => {
        receive(this.#bytes, this.#view, length);
        return true;
      },
    };
    internals._handle = null;
    const socket = new Socket({ handle, onread, manualStart: true } as SocketConstructorOpts);
    // The server counts the accepted one among its connections until it has closed too.
    socket.once('close', () => accepted.destroy());
    socket.resume();
    return socket;
  }
}

function readPlainly(socket: Socket, receive: Receive): Socket {
  socket.on('data', (chunk: Buffer) => {
    const { buffer, byteOffset, byteLength } = chunk;
    // No Buffer, whose `slice` copies nothing: what is taken is to be the same in both cases.
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    receive(bytes, new DataView(buffer, byteOffset, byteLength), byteLength);
  });
  socket.resume();
  return socket;
}
