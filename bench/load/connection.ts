/**
 * One connection of the closed loop: each reply arms its lane's next request, and all requests
 * that one chunk of replies arms leave in one write.
 */
import type { Socket } from 'node:net';
import { type Lanes, REPLY_BYTES_MAX } from './protocol.ts';

export class LoadConnection {
  /** Replies so far. */
  replies = 0;
  readonly #socket: Socket;
  readonly #lanes: Lanes;
  readonly #inFlight: number;
  /**
   * Frames, written from the front and again from the front once a batch might not fit. Nothing
   * still unsent is overwritten: a reply to any later request shows that the system has it, and
   * `inFlight` + 1 requests cannot all be unanswered.
   */
  readonly #frames: Buffer;
  #at = 0;
  /** A reply that was split between two chunks. */
  readonly #carry = Buffer.alloc(REPLY_BYTES_MAX);
  readonly #carryView = new DataView(this.#carry.buffer, this.#carry.byteOffset, REPLY_BYTES_MAX);
  #carried = 0;

  constructor(socket: Socket, lanes: Lanes, inFlight: number) {
    this.#socket = socket;
    this.#lanes = lanes;
    this.#inFlight = inFlight;
    this.#frames = lanes.skeleton(inFlight * 3);
  }

  /** Sends the first request of every lane. */
  start(): void {
    for (let lane = 0; lane < this.#inFlight; lane++) this.#arm(lane);
    this.#send(0);
  }

  data(bytes: Buffer, view: DataView, end: number): void {
    const lanes = this.#lanes;
    const { frameBytes } = lanes;
    if (this.#at > 2 * this.#inFlight * frameBytes) this.#at = 0;
    const first = this.#at;
    let at = this.#carried > 0 ? this.#finishCarried(bytes, end) : 0;
    while (at < end) {
      const next = lanes.scan(view, at, end);
      if (next < 0) break;
      this.#arm(lanes.lane);
      at = next;
    }
    if (at < end) {
      if (end - at > REPLY_BYTES_MAX) throw new Error('a reply is longer than expected');
      this.#carried = bytes.copy(this.#carry, 0, at, end);
    }
    this.replies += (this.#at - first) / frameBytes;
    if (this.#at > first) this.#send(first);
  }

  #arm(lane: number): void {
    this.#lanes.patch(this.#at, lane);
    this.#at += this.#lanes.frameBytes;
  }

  #send(first: number): void {
    this.#socket.write(this.#frames.subarray(first, this.#at));
  }

  /** Completes the split reply; returns where in the new chunk the next one begins. */
  #finishCarried(bytes: Buffer, end: number): number {
    const before = this.#carried;
    const added = bytes.copy(this.#carry, before, 0, end);
    const next = this.#lanes.scan(this.#carryView, 0, before + added);
    if (next < 0) {
      if (before + added === REPLY_BYTES_MAX) throw new Error('a reply is longer than expected');
      this.#carried = before + added;
      return end;
    }
    this.#carried = 0;
    this.#arm(this.#lanes.lane);
    return next - before;
  }
}
