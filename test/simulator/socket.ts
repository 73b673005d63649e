/**
 * One side of a simulated connection: a real stream, so that pausing, draining and ending behave as
 * Node's own do, over two pipes that hold bytes for a while.
 *
 * The descriptor that it shows takes part of what is written at once, as a system does whose buffer
 * is nearly full.
 */
import { Duplex } from 'node:stream';
import type { Network } from './network.ts';
import type { Thread } from './scheduler.ts';

/** Bytes arrive in pieces down to this length. */
const PIECE_BYTES_MIN = 1;

/** Neither a frame's length nor a good first byte. */
const GONE = 0xc1;

export class SimulatedSocket extends Duplex {
  /** Where `write-now` looks for a descriptor. */
  readonly _handle: { fd: number };
  #peer: SimulatedSocket | undefined;
  /** On their way to this side, in order. */
  readonly #incoming: Buffer[] = [];
  #incomingBytes = 0;
  #arrivalIsDue = false;
  #wantsMore = false;
  #otherHasEnded = false;
  /** A write of the peer that waits for room here. */
  #waiting: (() => void) | undefined;
  #isCut = false;
  /** When an error was last written here that tells the end of a session it does not name. */
  endsToldMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly network: Network,
    readonly thread: Thread,
    readonly fd: number,
    readonly isServers: boolean,
  ) {
    super({ allowHalfOpen: false });
    this._handle = { fd };
    if (!isServers) this.cork();
    this.once('close', () => network.forget(this));
  }

  pairWith(peer: SimulatedSocket): void {
    this.#peer = peer;
    peer.#peer = this;
  }

  /** The side that connected learns that it is. */
  connected(): void {
    if (this.destroyed) return;
    this.uncork();
    this.emit('connect');
  }

  /** Whether what is written here still arrives. */
  get isHeard(): boolean {
    const hasReader = this.#peer?.destroyed === false && !this.#isCut && !this.thread.isDead;
    return hasReader && this.writable && this.writableLength === 0;
  }

  /**
   * Whoever listens runs on the thread that has the socket, whatever has moved the stream on.
   *
   * A server reads all its sockets into one memory: bytes are gone when they were taken.
   */
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    const emit = () => super.emit(event, ...values);
    const hasListeners = this.network.scheduler.on(this.thread, emit);
    if (event === 'data' && this.isServers) (values[0] as Buffer).fill(GONE);
    return hasListeners;
  }

  override pause(): this {
    // A server pauses a client that does not read its answers, or for which a ring has no room.
    if (this.isServers && !this.isPaused() && this.writableLength > 0) this.network.stalls += 1;
    return super.pause();
  }

  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  /** As `net.Socket` has it: ends once all is sent. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  writeNow(bytes: Uint8Array): number {
    const peer = this.#peer;
    if (peer === undefined || this.thread.isDead) return 0;
    // Nobody reads any more: what is written leaves, and is lost.
    if (peer.destroyed || peer.thread.isDead || this.#isCut) return bytes.length;
    const room = Math.max(0, this.network.options.bufferBytes - peer.#incomingBytes);
    const taken = Math.min(room, bytes.length);
    if (taken > 0) {
      const copy = Buffer.from(bytes.subarray(0, taken));
      if (this.isServers) this.network.tap(this, copy);
      peer.receive(copy);
    }
    return taken;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    const taken = this.writeNow(chunk);
    if (taken === chunk.length) return done();
    const rest = chunk.subarray(taken);
    const peer = this.#peer;
    if (peer === undefined) return done();
    peer.#waiting = () => this._write(rest, '', done);
  }

  override _final(done: () => void): void {
    this.#peer?.receive(undefined);
    done();
  }

  override _read(): void {
    this.#wantsMore = true;
    this.#schedule();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const peer = this.#peer;
    this.#incoming.length = 0;
    if (peer !== undefined && !this.#isCut && !this.thread.isDead) peer.lost();
    this.#waiting?.();
    this.#waiting = undefined;
    done(error);
  }

  /** The connection is cut between the two sides: neither hears of the other again. */
  cut(): void {
    const peer = this.#peer;
    this.tear();
    peer?.tear();
  }

  /** Nothing arrives here any more but the news that it is over. */
  tear(): void {
    this.#isCut = true;
    this.#incoming.length = 0;
    const { network } = this;
    const error = Object.assign(new Error('ECONNRESET'), { code: 'ECONNRESET' });
    network.scheduler.after(network.latencyMs(), () => this.destroy(error), this.thread);
  }

  /** This side's process is gone. What it had sent may arrive yet. */
  abandoned(): void {
    this.#incoming.length = 0;
    this.#peer?.lost();
    // Its system still takes what the other side writes, and answers with a reset.
    if (this.#waiting !== undefined) this.#resumePeer(this.#waiting);
    this.#waiting = undefined;
    this.network.forget(this);
  }

  /** The other side is gone: sometimes what it had sent comes first, sometimes not. */
  lost(): void {
    if (this.destroyed || this.#isCut) return;
    if (this.network.random.chance(0.5)) return this.receive(undefined);
    this.tear();
  }

  /** Bytes of the peer, or its end. */
  receive(bytes: Buffer | undefined): void {
    if (this.destroyed || this.#isCut || this.#otherHasEnded) return;
    if (bytes === undefined) this.#otherHasEnded = true;
    else {
      this.#incoming.push(bytes);
      this.#incomingBytes += bytes.length;
    }
    this.#schedule();
  }

  #schedule(): void {
    const hasNews = this.#incoming.length > 0 || this.#otherHasEnded;
    if (!this.#wantsMore || !hasNews || this.#arrivalIsDue || this.thread.isDead) return;
    this.#arrivalIsDue = true;
    const { network } = this;
    const arrive = (): void => this.#arrive();
    const task = network.scheduler.after(network.latencyMs(), arrive, this.thread);
    task.isPlain = true;
  }

  #arrive(): void {
    this.#arrivalIsDue = false;
    if (this.destroyed) return;
    const { random, options } = this.network;
    const all = Buffer.concat(this.#incoming);
    this.#incoming.length = 0;
    if (all.length === 0) {
      if (this.#otherHasEnded) this.push(null);
      return;
    }
    const splits = options.splits && random.chance(0.5);
    const length = splits ? random.between(PIECE_BYTES_MIN, all.length) : all.length;
    if (length < all.length) this.#incoming.push(all.subarray(length));
    this.#incomingBytes = all.length - length;
    this.#wantsMore = this.push(Buffer.from(all.subarray(0, length)));
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) this.#resumePeer(waiting);
    this.#schedule();
  }

  #resumePeer(waiting: () => void): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    this.network.scheduler.turn(waiting, peer.thread);
  }
}
