/**
 * Lines to a file descriptor, in the background and in order, whatever becomes of its reader: one
 * that does not read, or a disk without room, costs lines and never stops or delays the process.
 */
import { writeSync, write as writeTo } from 'node:fs';

/** Unwritten bytes of lines; what comes beyond is dropped: some thousand lines. */
export const UNWRITTEN_BYTES_MAX = 1024 * 1024;

/** How long a reader that had no room is left alone: soon enough that nobody notices. */
const RETRY_MS = 50;

const NOTHING = Buffer.alloc(0);
const LINE_FEED = 0x0a;

type Written = (error: NodeJS.ErrnoException | null, bytes: number) => void;

export class LineOutput {
  readonly #descriptor: number;
  readonly #onDropped: (lines: number) => void;
  readonly #write: (descriptor: number, bytes: Buffer, written: Written) => void;
  #lines: string[] = [];
  /** What is left of the lines that are being written. */
  #chunk: Buffer = NOTHING;
  /** Of the lines and the chunk. */
  #bytes = 0;
  #dropped = 0;
  #isWriting = false;
  #retry: NodeJS.Timeout | undefined;
  /** Whether the last byte that was written is not the end of a line. */
  #isMidLine = false;

  /** @param onDropped told how many lines were lost, once lines can be written again */
  constructor(descriptor: number, onDropped: (lines: number) => void, write = writeAll) {
    this.#descriptor = descriptor;
    this.#onDropped = onDropped;
    this.#write = write;
    process.once('exit', () => this.#end());
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + bytes > UNWRITTEN_BYTES_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#lines.push(line);
    this.#bytes += bytes;
    this.#next();
  }

  #next(): void {
    if (this.#isWriting || this.#retry !== undefined || this.#bytes === 0) return;
    this.#fill();
    this.#isWriting = true;
    this.#write(this.#descriptor, this.#chunk, (error, bytes) => this.#wrote(error, bytes));
  }

  #fill(): void {
    if (this.#chunk.length > 0) return;
    // The end of a line that was given up in its middle.
    const end = this.#isMidLine ? '\n' : '';
    this.#chunk = Buffer.from(end + this.#lines.join(''));
    this.#bytes = this.#chunk.length;
    this.#lines = [];
  }

  #wrote(error: NodeJS.ErrnoException | null, bytes: number): void {
    this.#isWriting = false;
    if (error?.code === 'EAGAIN') {
      // Nobody waits with the end of the process until a reader reads.
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.#next();
      }, RETRY_MS).unref();
      return;
    }
    if (error) this.#drop();
    else this.#advance(bytes);
    this.#next();
  }

  #advance(bytes: number): void {
    if (bytes > 0) this.#isMidLine = this.#chunk[bytes - 1] !== LINE_FEED;
    this.#chunk = this.#chunk.subarray(bytes);
    this.#bytes -= bytes;
    // With room to spare, or the line that tells of it would be dropped too.
    if (this.#dropped === 0 || this.#bytes > UNWRITTEN_BYTES_MAX / 2) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#onDropped(dropped);
  }

  /** What cannot be written is given up. */
  #drop(): void {
    this.#dropped += this.#lines.length;
    for (const byte of this.#chunk) if (byte === LINE_FEED) this.#dropped += 1;
    // That is the end of a line that was counted before.
    if (this.#chunk[0] === LINE_FEED) this.#dropped -= 1;
    this.#lines = [];
    this.#chunk = NOTHING;
    this.#bytes = 0;
  }

  /**
   * At the end of the process: one try more if the reader had no room before, which shows that to
   * write does not block. What is being written goes out by itself.
   */
  #end(): void {
    if (this.#isWriting || this.#bytes === 0) return;
    this.#fill();
    try {
      writeSync(this.#descriptor, this.#chunk);
    } catch {
      // Nobody is left who could be told.
    }
  }
}

function writeAll(descriptor: number, bytes: Buffer, written: Written): void {
  writeTo(descriptor, bytes, written);
}
