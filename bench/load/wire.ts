/**
 * A socket of the load generator, read into a buffer of its own: Node allocates 64 KiB for each
 * read otherwise, and the generator would be the limit at one request in flight.
 */
import { connect, type Socket } from 'node:net';

const READ_BYTES = 64 * 1024;

export class Wire {
  /** Takes what arrives. The bytes are gone when it returns. */
  receive: (bytes: Buffer) => void = () => {
    throw new Error('the server spoke before it was asked');
  };
  readonly socket: Socket;

  constructor(port: number) {
    const buffer = Buffer.alloc(READ_BYTES);
    const callback = (length: number): boolean => {
      this.receive(buffer.subarray(0, length));
      return true;
    };
    const onread = { buffer, callback };
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
  }

  connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once('error', reject);
      this.socket.once('connect', () => resolve());
    });
  }
}
