/**
 * A socket of the load generator. All are read into one buffer: Node allocates 64 KiB for each
 * read otherwise, and the generator would be the limit at one request in flight.
 */
import { connect, type Socket } from 'node:net';

const buffer = Buffer.allocUnsafeSlow(64 * 1024);
const view = new DataView(buffer.buffer);

/** Takes the bytes from 0 to `length`, which are gone when it returns. `view` shows the same. */
export type Receive = (bytes: Buffer, view: DataView, length: number) => void;

export class Wire {
  receive: Receive = () => {
    throw new Error('the server spoke before it was asked');
  };
  readonly socket: Socket;

  constructor(port: number) {
    const callback = (length: number): boolean => {
      this.receive(buffer, view, length);
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
