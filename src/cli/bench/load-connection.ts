/**
 * One connection of the load with its sessions. Each answer makes room for another request, and all
 * requests that one read of answers makes room for leave in one write. It keeps to what the
 * protocol asks of a client: one request in flight in each session, the numbers in order, the same
 * frame again after a lost connection, a pause after a refusal, a new register after an eviction.
 */
import { STATUS_NAMES } from '../../core/codes.ts';
import type { SessileError } from '../../core/errors.ts';
import { PAYLOAD_BYTES_MAX } from '../../core/limits.ts';
import { ConnectionClosedError, ProtocolError, refusal } from '../../transport/client/errors.ts';
import { helloFrame } from '../../transport/client/frames.ts';
import type { ErrorFrame, FrameHandler } from '../../transport/client/incoming.ts';
import { readFrame } from '../../transport/client/incoming.ts';
import type { Welcome } from '../../transport/client/welcome.ts';
import { Cursor } from '../../transport/cursor.ts';
import { FrameBuffer, FrameState } from '../../transport/frame-buffer.ts';
import { FRAME_OVERHEAD_BYTES } from '../../transport/protocol.ts';
import { Ids } from './ids.ts';
import { Busy, Lanes } from './lanes.ts';
import type { LoadHost } from './load-host.ts';
import { afterRefusal, registerPauseMs } from './refusals.ts';
import { ReplyReader } from './reply-reader.ts';
import { RequestFrames } from './request-frames.ts';
import type { Target } from './target.ts';
import { Wire } from './wire.ts';

/** Registers under way at once before the load begins. */
const REGISTERS_MAX = 256;

const FRAME_BYTES_MAX = PAYLOAD_BYTES_MAX + FRAME_OVERHEAD_BYTES;

export class LoadConnection implements FrameHandler {
  readonly lanes: Lanes;
  /** Requests under way, and registers that requests wait for. */
  inFlight = 0;
  isUp = false;
  readonly #host: LoadHost;
  readonly #ids: Ids;
  readonly #cursor = new Cursor();
  readonly #replies: ReplyReader;
  #frames = new FrameBuffer(FRAME_BYTES_MAX);
  #requests: RequestFrames | undefined;
  #wire: Wire | undefined;
  #late: NodeJS.Timeout | undefined;
  /** Before the load: lanes that were asked to register, and those that were answered. */
  #asked = 0;
  #prepared = 0;
  /** An error about the connection itself, which the server closes after it. */
  #fatal: SessileError | undefined;

  constructor(host: LoadHost, base: number, sessions: number) {
    this.#host = host;
    this.#ids = new Ids(host.prefix, base);
    this.lanes = new Lanes(sessions);
    this.#replies = new ReplyReader(this.lanes, base);
  }

  /** Connects, or connects again: then all that is under way is sent once more. */
  dial(): void {
    this.#frames = new FrameBuffer(FRAME_BYTES_MAX);
    this.#fatal = undefined;
    const { endpoint } = this.#host;
    const late = `no welcome within ${endpoint.timeoutMs} ms`;
    this.#late = setTimeout(() => this.fail(late), endpoint.timeoutMs);
    this.#wire = new Wire(endpoint, {
      connected: () => this.#send(helloFrame(endpoint.token, 'sessile bench')),
      received: (bytes, view, length) => this.#received(bytes, view, length),
      down: (why) => this.#down(why),
    });
  }

  /** Registers all sessions; the host hears when that is done. */
  prepare(target: Target): void {
    const { inFlight } = this.#host;
    this.#requests = new RequestFrames(target, this.#ids, this.lanes, inFlight);
    this.#registerMore();
  }

  /** Sends what may leave now, at most `most` requests; call `flush` afterwards. */
  pump(nowMs: number, most: number): number {
    const { pace, inFlight } = this.#host;
    const { lanes } = this;
    if (!this.isUp) return 0;
    let count = 0;
    while (count < most && this.inFlight < inFlight && lanes.idle > 0 && pace.ready(nowMs)) {
      const lane = lanes.pop();
      lanes.sinceMs[lane] = pace.take();
      this.inFlight += 1;
      count += 1;
      if (lanes.live[lane] === 1) this.#next(lane);
      else this.#register(lane, Busy.REGISTERING);
    }
    return count;
  }

  /** Sends the batch. Latencies of a closed loop begin here. */
  flush(): void {
    const requests = this.#requests;
    if (requests === undefined || requests.length === 0) return;
    requests.stamp(performance.now());
    this.#send(requests.bytes, requests.length);
    requests.clear();
  }

  /** Ends the sessions at the server, and then the connection. */
  close(keepSessions: boolean): void {
    const { lanes } = this;
    const frames: Buffer[] = [];
    for (let lane = 0; !keepSessions && this.isUp && lane < lanes.count; lane++) {
      if (lanes.live[lane] === 1) frames.push(this.#ids.close(lane));
    }
    if (frames.length > 0) this.#send(Buffer.concat(frames));
    this.isUp = false;
    clearTimeout(this.#late);
    this.#wire?.close();
  }

  /** Gives the connection up. */
  fail(why: string): void {
    this.#wire?.end(why);
  }

  // What the server sends, but for replies, which are read where they lie.

  welcome(welcome: Welcome): void {
    clearTimeout(this.#late);
    this.isUp = true;
    this.#resend();
    this.#host.welcomed(this, welcome);
  }

  registered(id: string, session: number, last: number): void {
    const lane = this.#ids.laneOf(id);
    const { lanes } = this;
    const busy = lanes.busy[lane];
    if (busy !== Busy.REGISTERING && busy !== Busy.PREPARING) return;
    this.#host.tally.registered += 1;
    lanes.sessionHigh[lane] = session / 2 ** 32;
    lanes.sessionLow[lane] = session;
    lanes.request[lane] = last;
    lanes.live[lane] = 1;
    if (busy === Busy.REGISTERING) this.#next(lane);
    else this.#ready(lane);
  }

  evicted(id: string, session: number, reason: string): void {
    const lane = this.#ids.laneOf(id);
    const { lanes } = this;
    const isOurs = lanes.live[lane] === 1 && lanes.isSession(lane, session);
    if (!isOurs) return;
    this.#host.tally.ended += 1;
    lanes.live[lane] = 0;
    if (lanes.busy[lane] === Busy.OPEN) this.#refused(lane, reason, 0);
  }

  error(frame: ErrorFrame): void {
    const { code, message, details, id, number } = frame;
    if (id === null) {
      if (number === null) this.#fatal = refusal(code, message, details);
      return;
    }
    const lane = this.#ids.laneOf(id);
    const { lanes } = this;
    const after = afterRefusal(code, details);
    const busy = lanes.busy[lane];
    if (number === null) {
      if (busy === Busy.PREPARING) {
        this.#host.notRegistered(refusal(code, message, details));
        this.#ready(lane);
      } else if (busy === Busy.REGISTERING) this.#refused(lane, code, registerPauseMs(after));
      return;
    }
    if (busy !== Busy.OPEN || lanes.request[lane] !== number) return;
    // The number is free; or the next register says which one is.
    lanes.request[lane] -= 1;
    if (after.isOutOfStep) lanes.live[lane] = 0;
    this.#refused(lane, code, after.pauseMs);
  }

  // The load neither pings nor calls.
  reply(): void {}
  pong(): void {}
  result(): void {}

  #received(bytes: Uint8Array, view: DataView, length: number): void {
    const frames = this.#frames;
    const { tally } = this.#host;
    tally.bytesIn += length;
    const nowMs = performance.now();
    tally.heardMs = nowMs;
    frames.feed(bytes, view, length);
    try {
      for (let state = frames.next(); state !== FrameState.MORE; state = frames.next()) {
        if (state !== FrameState.READY) throw new ProtocolError('malformed frame from the server');
        if (this.#replies.read(frames)) this.#answered(nowMs);
        else {
          this.#cursor.reset(frames.bytes, frames.view, frames.start, frames.end);
          readFrame(this.#cursor, this);
        }
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#fatal = error;
      return this.fail(error.message);
    }
    this.pump(nowMs, this.#host.inFlight);
    this.flush();
    if (this.inFlight === 0) this.#host.quiet();
  }

  /** A reply was read; unless it is a late one it answers its lane's request. */
  #answered(nowMs: number): void {
    const { lane, status } = this.#replies;
    if (lane < 0) return;
    const { lanes } = this;
    const { tally } = this.#host;
    if (status === 0) tally.succeeded(lanes.sinceMs[lane], nowMs);
    else tally.failed(STATUS_NAMES[status] ?? `status ${status}`);
    this.inFlight -= 1;
    lanes.push(lane);
  }

  /** The request that a lane has under way came to nothing. */
  #refused(lane: number, code: string, pauseMs: number): void {
    this.#host.tally.failed(code);
    this.inFlight -= 1;
    if (pauseMs <= 0) return this.lanes.push(lane);
    this.lanes.busy[lane] = Busy.RESTING;
    // A pause does not hold up the end of the run.
    setTimeout(() => this.#rested(lane), pauseMs).unref();
  }

  #rested(lane: number): void {
    this.lanes.push(lane);
    this.pump(performance.now(), 1);
    this.flush();
  }

  /** Puts the next request of a registered lane into the batch. */
  #next(lane: number): void {
    this.lanes.request[lane] += 1;
    this.#add(lane);
  }

  #add(lane: number): void {
    // Full when sessions of the batch ended before it left, and others took their place.
    if (this.#requests!.isFull) this.flush();
    this.#requests!.add(lane);
  }

  #registerMore(): void {
    const { lanes } = this;
    while (this.#asked < lanes.count && this.#asked - this.#prepared < REGISTERS_MAX) {
      this.#register(this.#asked++, Busy.PREPARING);
    }
  }

  #register(lane: number, busy: Busy): void {
    this.lanes.busy[lane] = busy;
    this.#send(this.#ids.register(lane));
  }

  /** A lane is prepared, or will be when it is used. */
  #ready(lane: number): void {
    this.lanes.push(lane);
    this.#prepared += 1;
    this.#registerMore();
    if (this.#prepared === this.lanes.count) this.#host.prepared(this);
  }

  #resend(): void {
    const { lanes } = this;
    for (let lane = 0; lane < lanes.count; lane++) {
      const busy = lanes.busy[lane];
      if (busy === Busy.REGISTERING) this.#register(lane, busy);
      else if (busy === Busy.OPEN) {
        this.#host.tally.retries += 1;
        this.#add(lane);
      }
    }
    this.flush();
  }

  #down(why: string): void {
    clearTimeout(this.#late);
    this.isUp = false;
    this.#requests?.clear();
    this.#host.lost(this, this.#fatal ?? new ConnectionClosedError(why));
  }

  #send(bytes: Buffer, length = bytes.byteLength): void {
    this.#host.tally.bytesOut += length;
    this.#wire!.write(bytes, length);
  }
}
