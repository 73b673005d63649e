/**
 * The output of one connection: frames are written into a pooled buffer, and each batch leaves in
 * one write. A buffer is used again only after its write has been handed to the system.
 */
import type { Socket } from 'node:net';
import { FrameWriter } from './frame-writer.ts';
import { OUTPUT_BUFFER_BYTES, OUTPUT_BUFFERS_KEPT_MAX, OUTPUT_HIGH_BYTES } from './limits.ts';

class OutputBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(OUTPUT_BUFFER_BYTES);
  readonly written: () => void;

  constructor(pool: OutputPool) {
    this.written = () => pool.give(this);
  }
}

/** The buffers of a front end's connections. */
export class OutputPool {
  readonly #free: OutputBuffer[] = [];

  take(): OutputBuffer {
    return this.#free.pop() ?? new OutputBuffer(this);
  }

  give(buffer: OutputBuffer): void {
    if (this.#free.length < OUTPUT_BUFFERS_KEPT_MAX) this.#free.push(buffer);
  }
}

export class Output {
  readonly writer = new FrameWriter();
  readonly #socket: Socket;
  readonly #pool: OutputPool;
  #buffer: OutputBuffer | undefined;
  #isOpen = false;

  constructor(socket: Socket, pool: OutputPool) {
    this.#socket = socket;
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
    this.writer.use(this.#buffer.bytes);
  }

  /** Sends what was written. */
  flush(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const buffer = this.#buffer;
    this.#buffer = undefined;
    const { bytes, at } = this.writer;
    if (at === 0 || !this.#socket.writable) {
      buffer?.written();
    } else if (this.#socket.writableLength === 0) {
      this.#socket.write(bytes.subarray(0, at), buffer?.written);
    } else {
      // The client reads slowly: many small writes may wait, and must not each hold a large buffer.
      this.#socket.write(Buffer.from(bytes.subarray(0, at)));
      buffer?.written();
    }
  }

  /** More is unsent than a client that reads would leave: take no further input. */
  get isHigh(): boolean {
    return this.#socket.writableLength > OUTPUT_HIGH_BYTES;
  }

  /** Bytes that were written and not sent. */
  get unsent(): number {
    return this.#socket.writableLength + (this.#isOpen ? this.writer.at : 0);
  }
}
