/**
 * One socket from connect to its end. Frames given to it within one turn of the event loop leave
 * as one write, or as a few; frames that arrive are read where they lie. When it ends, for whatever
 * reason, it says so exactly once and is never used again.
 */
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers';
import { PAYLOAD_BYTES_MAX } from '../../core/limits.ts';
import { Cursor } from '../cursor.ts';
import { FrameBuffer, FrameState } from '../frame-buffer.ts';
import { FRAME_OVERHEAD_BYTES } from '../protocol.ts';
import { ConnectionClosedError, ProtocolError, TlsError } from './errors.ts';
import type { FrameHandler } from './incoming.ts';
import { readFrame } from './incoming.ts';
import type { Settings } from './options.ts';
import { openSocket, socketError } from './socket.ts';

/** The longest frame that a server can have reason to send: the largest payload that exists. */
const FRAME_BYTES_MAX = PAYLOAD_BYTES_MAX + FRAME_OVERHEAD_BYTES;

/** Idle time in ms after which the system probes whether the other side is still there. */
const KEEP_ALIVE_MS = 30_000;

/**
 * So many frames leave before the turn is over, so that the server works on them while the next
 * ones are made (docs/performance.md has the figures). Fewer cost more writes.
 */
const FLUSH_FRAMES = 32;

export type LinkError = ConnectionClosedError | ProtocolError | TlsError;

export interface LinkHooks {
  /** The socket is connected; what is sent during this call leaves first. */
  opened(): void;
  /** The socket has ended or was given up. Called once, never during the constructor. */
  down(error: LinkError): void;
}

export class Link {
  /** Chunks received so far: a sign of life. */
  heard = 0;
  readonly #socket: Socket;
  readonly #speaksTls: boolean;
  readonly #frames = new FrameBuffer(FRAME_BYTES_MAX);
  readonly #cursor = new Cursor();
  #outgoing: Buffer[] = [];
  #connected = false;
  #down = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    settings: Settings,
    readonly hooks: LinkHooks,
    readonly handler: FrameHandler,
  ) {
    const { connectTimeoutMs } = settings;
    this.#speaksTls = settings.tls !== undefined;
    this.#socket = openSocket(settings, () => this.#opened());
    this.#socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#timer = setTimeout(() => {
      const what = this.#connected ? 'no welcome' : 'no connection';
      this.fail(new ConnectionClosedError(`${what} within ${connectTimeoutMs} ms`));
    }, connectTimeoutMs);
    // The socket itself keeps the process alive, unless the caller does not want it to.
    this.#timer.unref();
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', (error) => this.fail(socketError(error, settings)));
    const ended = () => this.fail(new ConnectionClosedError('the server closed the connection'));
    this.#socket.on('end', ended);
    this.#socket.on('close', ended);
  }

  /** Nothing can be sent any more. */
  get isDown(): boolean {
    return this.#down;
  }

  /** The server has welcomed us: the time limit on that is over. */
  greeted(): void {
    clearTimeout(this.#timer);
  }

  send(frame: Buffer): void {
    const waiting = this.#outgoing.push(frame);
    if (waiting === 1) setImmediate(() => this.#flush());
    else if (waiting === FLUSH_FRAMES) this.#flush();
  }

  /** Gives the socket up at once. */
  fail(error: LinkError): void {
    if (this.#down) return;
    this.#end();
    this.#socket.destroy();
    this.hooks.down(error);
  }

  /**
   * Ends the socket after what was given to it has left, without calling `down`. Resolves when it
   * is closed; that takes at most `graceMs`.
   */
  close(graceMs: number): Promise<void> {
    this.#flush();
    this.#end();
    return new Promise((resolve) => {
      if (this.#socket.closed) return resolve();
      const timer = setTimeout(() => this.#socket.destroy(), graceMs);
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      if (this.#connected) this.#socket.destroySoon();
      else this.#socket.destroy();
    });
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  #end(): void {
    this.#down = true;
    this.#outgoing = [];
    clearTimeout(this.#timer);
  }

  #opened(): void {
    if (this.#down) return;
    this.#connected = true;
    this.hooks.opened();
    this.#flush();
  }

  #flush(): void {
    const frames = this.#outgoing;
    if (frames.length === 0 || this.#down || !this.#connected) return;
    this.#outgoing = [];
    this.#socket.write(joined(frames));
  }

  #receive(chunk: Buffer): void {
    if (this.#down) return;
    this.heard += 1;
    if (this.heard === 1 && !this.#speaksTls && isTlsAlert(chunk)) {
      return this.fail(new TlsError('the server speaks TLS on this port: connect with tls'));
    }
    let finished = false;
    try {
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      this.#frames.feed(chunk, view, chunk.byteLength);
      this.#drain();
      finished = true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      finished = true;
      this.fail(error);
    } finally {
      // A listener of the caller has thrown: frames behind it would be lost, so that the stream
      // starts anew and everything unanswered is asked again.
      if (!finished) this.fail(new ConnectionClosedError('a listener threw an error'));
    }
  }

  #drain(): void {
    const frames = this.#frames;
    // Each turn takes a frame of at least two bytes from the chunk.
    while (!this.#down) {
      const state = frames.next();
      if (state === FrameState.MORE) return;
      if (state !== FrameState.READY) {
        const what = state === FrameState.TOO_LARGE ? 'is too long' : 'has no valid length';
        throw new ProtocolError(`malformed frame from the server: it ${what}`);
      }
      this.#cursor.reset(frames.bytes, frames.view, frames.start, frames.end);
      readFrame(this.#cursor, this.handler);
    }
  }
}

/** Frames as one piece of memory: where they lie, if that is one behind the other. */
function joined(frames: readonly Buffer[]): Buffer {
  const { buffer, byteOffset } = frames[0];
  let end = byteOffset;
  for (const frame of frames) {
    if (frame.buffer !== buffer || frame.byteOffset !== end) return Buffer.concat(frames);
    end += frame.byteLength;
  }
  return frames.length === 1 ? frames[0] : Buffer.from(buffer, byteOffset, end - byteOffset);
}

/** What a TLS server sends to one who greets it plainly; no frame of ours begins so. */
function isTlsAlert(chunk: Buffer): boolean {
  return chunk.length >= 2 && chunk[0] === 0x15 && chunk[1] === 0x03;
}
