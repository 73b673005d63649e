/**
 * One connection of the open loop: requests are sent when they are due. A lane has one request in
 * flight, so one that is due while all are busy waits for a lane, and its time counts from when it
 * was due.
 */
import type { Socket } from 'node:net';
import { type Lanes, REPLY_BYTES_MAX } from './protocol.ts';
import type { Timetable } from './timetable.ts';

/** What a connection reports. */
export interface Observer {
  /** When a request was due, and when it was answered. */
  answered(dueMs: number, nowMs: number): void;
  /** How late the first of a batch was sent, when it was the generator that was late. */
  late(ms: number): void;
}

export class OpenConnection {
  /** Requests sent, and those of them that were answered. */
  sent = 0;
  replies = 0;
  readonly #socket: Socket;
  readonly #lanes: Lanes;
  readonly #number: number;
  readonly #lanesMax: number;
  readonly #observer: Observer;
  /** Frames, used over and over: see `LoadConnection`. */
  readonly #frames: Buffer;
  #at = 0;
  readonly #carry = Buffer.alloc(REPLY_BYTES_MAX);
  readonly #carryView = new DataView(this.#carry.buffer, this.#carry.byteOffset, REPLY_BYTES_MAX);
  #carried = 0;
  /** Free lanes, first in, first out: servers that answer in order count on it. */
  readonly #free: Int32Array;
  #freed: number;
  #taken = 0;
  /** Whether requests that are due wait for a lane. */
  #isBehind = false;
  /** When the request that each lane has in flight was due. */
  readonly #due: Float64Array;

  constructor(socket: Socket, lanes: Lanes, number: number, lanesMax: number, observer: Observer) {
    this.#socket = socket;
    this.#lanes = lanes;
    this.#number = number;
    this.#lanesMax = lanesMax;
    this.#observer = observer;
    this.#frames = lanes.skeleton(lanesMax * 3);
    this.#free = Int32Array.from({ length: lanesMax }, (_, lane) => lane);
    this.#freed = lanesMax;
    this.#due = new Float64Array(lanesMax);
  }

  /** Sends what is due by now, in one write. */
  pump(timetable: Timetable, nowMs: number): void {
    const due = timetable.dueBy(this.#number, nowMs);
    if (this.sent >= due) return;
    if (this.#freed === this.#taken) {
      this.#isBehind = true;
      return;
    }
    const lanes = this.#lanes;
    if (!this.#isBehind) this.#observer.late(nowMs - timetable.dueAt(this.#number, this.sent));
    if (this.#at > 2 * this.#lanesMax * lanes.frameBytes) this.#at = 0;
    const first = this.#at;
    while (this.sent < due && this.#taken < this.#freed) {
      const lane = this.#free[this.#taken % this.#lanesMax];
      this.#taken += 1;
      this.#due[lane] = timetable.dueAt(this.#number, this.sent);
      this.sent += 1;
      lanes.patch(this.#at, lane);
      this.#at += lanes.frameBytes;
    }
    this.#isBehind = this.sent < due;
    this.#socket.write(this.#frames.subarray(first, this.#at));
  }

  data(bytes: Buffer, view: DataView, end: number, nowMs: number): void {
    let at = this.#carried > 0 ? this.#finishCarried(bytes, end, nowMs) : 0;
    while (at < end) {
      const next = this.#lanes.scan(view, at, end);
      if (next < 0) break;
      this.#finish(this.#lanes.lane, nowMs);
      at = next;
    }
    if (at === end) return;
    if (end - at > REPLY_BYTES_MAX) throw new Error('a reply is longer than expected');
    this.#carried = bytes.copy(this.#carry, 0, at, end);
  }

  /** When each request was due that is still in flight. */
  unanswered(): number[] {
    const free = new Set<number>();
    for (let i = this.#taken; i < this.#freed; i++) free.add(this.#free[i % this.#lanesMax]);
    return [...this.#due].filter((_, lane) => !free.has(lane));
  }

  #finish(lane: number, nowMs: number): void {
    this.replies += 1;
    this.#free[this.#freed % this.#lanesMax] = lane;
    this.#freed += 1;
    this.#observer.answered(this.#due[lane], nowMs);
  }

  /** Completes the split reply; returns where in the new chunk the next one begins. */
  #finishCarried(bytes: Buffer, end: number, nowMs: number): number {
    const before = this.#carried;
    const added = bytes.copy(this.#carry, before, 0, end);
    const next = this.#lanes.scan(this.#carryView, 0, before + added);
    if (next < 0) {
      if (before + added === REPLY_BYTES_MAX) throw new Error('a reply is longer than expected');
      this.#carried = before + added;
      return end;
    }
    this.#carried = 0;
    this.#finish(this.#lanes.lane, nowMs);
    return next - before;
  }
}
