/**
 * The output of one connection: frames are written into a pooled buffer, and each batch leaves in
 * one write. What the system does not take at once is copied, so the buffer is free after it.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { FrameWriter } from './frame-writer.ts';
import { OUTPUT_BUFFER_BYTES, OUTPUT_BUFFERS_KEPT_MAX, OUTPUT_HIGH_BYTES } from './limits.ts';
import { writeNow } from './write-now.ts';

class OutputBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(OUTPUT_BUFFER_BYTES);
  readonly view = new DataView(this.bytes.buffer);
}

/** The buffers of a front end's connections. */
export class OutputPool {
  readonly #free: OutputBuffer[] = [];
  /** Bytes that connections have sent, or have given to the system to send. */
  written = 0;

  take(): OutputBuffer {
    return this.#free.pop() ?? new OutputBuffer();
  }

  give(buffer: OutputBuffer): void {
    if (this.#free.length < OUTPUT_BUFFERS_KEPT_MAX) this.#free.push(buffer);
  }
}

export class Output {
  readonly writer = new FrameWriter();
  readonly #socket: Socket;
  /** Whether bytes may be given to the socket's descriptor as they are. */
  readonly #isPlain: boolean;
  readonly #pool: OutputPool;
  #buffer: OutputBuffer | undefined;
  #isOpen = false;
  /** More is unsent than a client that reads would leave: take no further input. */
  isHigh = false;

  constructor(socket: Socket, pool: OutputPool) {
    this.#socket = socket;
    this.#isPlain = !(socket instanceof TLSSocket);
    this.#pool = pool;
  }

  /** Makes sure that a frame of at most `bytes` fits the writer. */
  reserve(bytes: number): void {
    if (this.#isOpen && this.writer.room >= bytes) return;
    this.flush();
    this.#isOpen = true;
    if (bytes > OUTPUT_BUFFER_BYTES) {
      this.writer.use(Buffer.allocUnsafeSlow(bytes));
      return;
    }
    this.#buffer = this.#pool.take();
    this.writer.use(this.#buffer.bytes, this.#buffer.view);
  }

  /** Sends what was written. */
  flush(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const buffer = this.#buffer;
    this.#buffer = undefined;
    const { bytes, at } = this.writer;
    const socket = this.#socket;
    if (at > 0 && socket.writable) {
      this.#pool.written += at;
      const goesNow = this.#isPlain && socket.writableLength === 0;
      const taken = goesNow ? writeNow(socket, bytes, at) : 0;
      if (taken < at) {
        // A copy, so that many small writes that wait do not each hold a large buffer.
        socket.write(Buffer.from(bytes.subarray(taken, at)));
        this.isHigh = socket.writableLength > OUTPUT_HIGH_BYTES;
      }
    }
    if (buffer !== undefined) this.#pool.give(buffer);
  }

  /** The socket says that nothing is unsent. */
  drained(): void {
    this.isHigh = false;
  }

  /** Bytes that were written and not sent. */
  get unsent(): number {
    return this.#socket.writableLength + (this.#isOpen ? this.writer.at : 0);
  }
}
