/**
 * One client connection of the server: bytes in, frames, messages to the router; answers back as
 * frames. It carries any number of sessions.
 *
 * Its input stops in two cases, and resumes in order: when a shard's ring is full (the frame at
 * hand is kept and submitted again), and when the client does not read its answers.
 */
import type { Socket } from 'node:net';
import { assert } from '../core/assert.ts';
import { ErrorCode } from '../core/codes.ts';
import { type Answer, AnswerKind } from '../workers/answer.ts';
import { Submitted } from '../workers/dispatch.ts';
import type { FrontEndMeter } from '../workers/front-end-meter.ts';
import type { Router } from '../workers/router.ts';
import type { AnswerSink } from '../workers/sinks.ts';
import { answerBytesMax, writeAnswer, writeError } from './answer-frames.ts';
import { AnswerTimes } from './answer-times.ts';
import type { ConnectionEvents } from './connection-events.ts';
import { FrameBuffer, FrameState } from './frame-buffer.ts';
import {
  HELLO_TIMEOUT_MS,
  OPERATOR_CALLS_MAX,
  OPTIONS_MAX,
  OUTPUT_BYTES_MAX,
  OUTPUT_STALL_MS,
} from './limits.ts';
import { type MessageReader, Read } from './message-reader.ts';
import type { OperatorCalls } from './operator-calls.ts';
import { writeOutcome } from './outcome-frame.ts';
import { Output, type OutputPool } from './output.ts';
import { PROTOCOL_VERSION, ToClient, ToServer } from './protocol.ts';
import { ScopedSessions } from './scoped-sessions.ts';
import type { SharedInput } from './shared-input.ts';

/** What connections share: the front end's router, reader and buffers. */
export interface ConnectionHost {
  readonly router: Router;
  readonly reader: MessageReader;
  readonly input: SharedInput;
  readonly pool: OutputPool;
  readonly frameBytesMax: number;
  readonly operatorCalls: OperatorCalls;
  readonly events: ConnectionEvents;
  /** Counts what connections do. */
  readonly meter: FrontEndMeter;
  /** The names of the capabilities that the service offers, by bit. */
  readonly capabilities: readonly string[];
  /** What all those names take in a frame at most. */
  readonly capabilityBytes: number;
  /** The welcome frame, whole. */
  readonly welcome: Buffer;
  readonly stopping: boolean;
  /** Whether the clock need not be read for so many messages more of this turn. */
  clockIsFresh(messages: number): boolean;
  /** The connection was blocked; call `resume` once there may be room. */
  blocked(connection: Connection): void;
  /** It has output that was written outside its own turn. */
  dirty(connection: Connection): void;
  closed(connection: Connection): void;
}

const enum Step {
  NEXT = 0,
  /** The frame could not be taken now: keep it. */
  BLOCKED = 1,
  /** The client does not read its answers: no further frame until it has. */
  STALLED = 2,
  /** The connection is closing: no further frame. */
  CLOSING = 3,
}

/** Frames of requests with small bodies, for a guess at how many are waiting. */
const SMALL_FRAME_BYTES = 128;

export class Connection implements AnswerSink {
  readonly token: number;
  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #frames: FrameBuffer;
  readonly #output: Output;
  readonly #times: AnswerTimes;
  readonly #scoped = new ScopedSessions();
  /** Calls to the server itself that are under way. */
  #operating = 0;
  #helloTimer: NodeJS.Timeout | undefined;
  #stallTimer: NodeJS.Timeout | undefined;
  #saidHello = false;
  #hasFrame = false;
  #isBlocked = false;
  #isStalled = false;
  #isClosing = false;
  /** Inside a batch of its own input, whose end flushes. */
  #inBatch = false;
  /** What may be under way beside the limit: the longest answer so far, or results of calls. */
  #longest = 0;
  isDirty = false;

  constructor(host: ConnectionHost, accepted: Socket) {
    this.#host = host;
    const socket = host.input.read(accepted, (bytes, view, length) => {
      this.#data(bytes, view, length);
    });
    this.#socket = socket;
    this.#frames = new FrameBuffer(host.frameBytesMax);
    this.#output = new Output(socket, host.pool);
    this.#times = new AnswerTimes(host.meter);
    this.token = host.router.open(this);
    this.#helloTimer = setTimeout(() => this.#helloLate(), HELLO_TIMEOUT_MS);
    socket.setNoDelay(true);
    socket.on('drain', () => this.#drained());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#closed());
  }

  /** An answer for one of this connection's sessions. */
  answer(a: Answer): void {
    this.#scoped.note(a);
    if (this.#isClosing) return;
    this.#times.answered(a.of, a.arrivedUs);
    const names = a.kind === AnswerKind.REGISTERED ? this.#host.capabilityBytes : 0;
    this.#reserve(answerBytesMax(a.bodyLength) + names);
    writeAnswer(this.#output.writer, a, this.#host.capabilities);
    if (!this.#inBatch) this.#defer();
  }

  #reserve(bytes: number): void {
    if (bytes > this.#longest) this.#longest = bytes;
    this.#output.reserve(bytes);
  }

  /** Has the output sent at the end of this turn, together with that of other connections. */
  #defer(): void {
    if (this.isDirty) return;
    this.isDirty = true;
    this.#host.dirty(this);
  }

  /** Sends what was written, and stops reading from a client that does not read. */
  flush(): void {
    this.isDirty = false;
    this.#times.sent();
    if (this.#isClosing) return;
    this.#output.flush();
    // One turn may bring any number of answers; what counts is whether earlier ones were taken.
    if (this.#isStalled && this.#output.unsent > OUTPUT_BYTES_MAX + this.#longest) this.#cutOff();
    else if (this.#output.isHigh) this.#stall();
  }

  /** Goes on with the input after it was blocked. */
  resume(): void {
    if (!this.#isBlocked || this.#isClosing) return;
    this.#isBlocked = false;
    if (!this.#isStalled) this.#work();
  }

  /** Refuses the connection before it began. */
  refuse(code: ErrorCode, what?: string): void {
    this.#host.meter.refused += 1;
    this.#fatal(code, what);
  }

  /** Sends what is left and closes. */
  end(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#times.sent();
    this.#output.flush();
    this.#socket.end(() => this.#socket.destroy());
    this.#stallTimer ??= setTimeout(() => this.#socket.destroy(), OUTPUT_STALL_MS).unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #data(bytes: Uint8Array, view: DataView, length: number): void {
    if (this.#isClosing) return;
    assert(this.#frames.waiting === 0, 'a chunk is used up before the next one is read');
    this.#frames.feed(bytes, view, length);
    this.#work(length);
    if (!this.#isClosing) this.#frames.keepRest(this.#hasFrame);
  }

  /**
   * Runs the frames that have arrived, as one batch.
   *
   * @param length the bytes of a chunk that was read just now
   */
  #work(length = 0): void {
    const { router } = this.#host;
    const frames = this.#frames;
    const backlog = Math.ceil(frames.waiting / SMALL_FRAME_BYTES);
    this.#inBatch = true;
    router.begin(backlog, this.#host.clockIsFresh(backlog));
    if (length > 0) this.#times.arrived(length);
    let step = Step.NEXT;
    while (step === Step.NEXT) {
      if (this.#output.isHigh) {
        step = Step.STALLED;
        break;
      }
      if (!this.#hasFrame) {
        const state = frames.next();
        if (state === FrameState.MORE) break;
        if (state !== FrameState.READY) {
          this.#badFrame(state);
          break;
        }
        this.#hasFrame = true;
      }
      step = this.#frame();
      if (step !== Step.BLOCKED) this.#hasFrame = false;
    }
    router.end();
    this.#inBatch = false;
    this.#defer();
    if (this.#isClosing) return;
    if (step === Step.BLOCKED) this.#block();
    else if (step === Step.STALLED) this.#stall();
    else if (!this.#isStalled && this.#socket.isPaused()) this.#socket.resume();
  }

  #frame(): Step {
    const { reader, router } = this.#host;
    const { cursor, message } = reader;
    const frames = this.#frames;
    cursor.reset(frames.bytes, frames.view, frames.start, frames.end);
    const fields = cursor.arrayLength();
    const kind = fields > 0 ? cursor.uint32() : -1;
    if (!this.#saidHello && kind !== ToServer.HELLO) {
      return this.#fatal(ErrorCode.HELLO_REQUIRED);
    }
    let read: Read;
    switch (kind) {
      case ToServer.REQUEST:
        read = reader.request(fields);
        break;
      case ToServer.CALL:
        read = reader.call(fields);
        break;
      case ToServer.REGISTER:
        read = reader.register(fields);
        break;
      case ToServer.CLOSE:
        read = reader.close(fields);
        break;
      case ToServer.PING:
        return this.#ping(fields);
      case ToServer.HELLO:
        return this.#hello(fields);
      default:
        return this.#fatal(ErrorCode.MALFORMED_FRAME, cursor.problem || 'the kind is unknown');
    }
    if (read === Read.OPERATOR) return this.#operate(reader.operatorCall);
    if (read === Read.MALFORMED) return this.#fatal(ErrorCode.MALFORMED_FRAME, cursor.problem);
    if (read === Read.REFUSED) return this.#refuse(reader.error, reader.problem, reader.details);
    if (this.#host.stopping) return this.#refuse(ErrorCode.SHUTTING_DOWN);
    if (kind === ToServer.REGISTER && this.#scoped.isFull)
      return this.#refuse(ErrorCode.SERVER_BUSY);
    message.token = this.token;
    message.arrivedUs = this.#times.arrivedUs;
    return router.submit(message) === Submitted.BLOCKED ? Step.BLOCKED : Step.NEXT;
  }

  /** Runs a call to the server itself; its result comes in a later turn. */
  #operate(name: string): Step {
    const { reader, operatorCalls } = this.#host;
    const { request, bodyBytes, bodyLength } = reader.message;
    if (this.#operating === OPERATOR_CALLS_MAX) return this.#refuse(ErrorCode.SERVER_BUSY);
    this.#operating += 1;
    void operatorCalls.run(name, bodyBytes.slice(0, bodyLength)).then((outcome) => {
      this.#operating -= 1;
      if ('code' in outcome) this.#host.meter.error(outcome.code);
      if (this.#isClosing) return;
      // All that may be under way can be this long, and none is read while the client stalls.
      const bytes = OPERATOR_CALLS_MAX * writeOutcome(this.#output, request, outcome);
      if (bytes > this.#longest) this.#longest = bytes;
      this.#defer();
    });
    return Step.NEXT;
  }

  /** `[0, version, options]`. */
  #hello(fields: number): Step {
    const { reader, welcome } = this.#host;
    const { cursor } = reader;
    if (fields !== 3) cursor.fail('hello has 3 fields');
    const version = cursor.uint32();
    if (cursor.problem === '' && version !== PROTOCOL_VERSION) {
      return this.#fatal(ErrorCode.UNSUPPORTED_VERSION);
    }
    const options = cursor.mapLength();
    if (options > OPTIONS_MAX) cursor.fail('hello has at most 16 options');
    for (let i = 0; i < options && cursor.problem === ''; i++) {
      reader.text();
      cursor.skip();
    }
    if (cursor.problem === '' && cursor.at !== cursor.end) cursor.fail('hello ends with a map');
    if (cursor.problem === '' && this.#saidHello) cursor.fail('hello was said before');
    if (cursor.problem !== '') return this.#fatal(ErrorCode.MALFORMED_FRAME, cursor.problem);
    clearTimeout(this.#helloTimer);
    this.#saidHello = true;
    this.#output.reserve(welcome.byteLength);
    const { writer } = this.#output;
    writer.at += welcome.copy(writer.bytes, writer.at);
    return Step.NEXT;
  }

  /** `[4, nonce]`, any value, sent back as it is. */
  #ping(fields: number): Step {
    const { cursor } = this.#host.reader;
    if (fields !== 2) cursor.fail('ping has 2 fields');
    const start = cursor.at;
    cursor.skip();
    if (cursor.problem === '' && cursor.at !== cursor.end) cursor.fail('ping has one nonce');
    if (cursor.problem !== '') return this.#fatal(ErrorCode.MALFORMED_FRAME, cursor.problem);
    const length = cursor.end - start;
    this.#reserve(answerBytesMax(length));
    const { writer } = this.#output;
    writer.begin(ToClient.PONG, 2);
    writer.raw(cursor.bytes, start, length);
    writer.finish();
    return Step.NEXT;
  }

  /** Answers the message at hand with an error; the connection stays open. */
  #refuse(code: ErrorCode, what?: string, details?: Readonly<Record<string, number>>): Step {
    const { reader, meter } = this.#host;
    const m = reader.message;
    meter.error(code);
    // A call to the server itself has no id, and is not timed.
    const isOnSession = (m.id0 | m.id1 | m.id2 | m.id3) !== 0;
    if (isOnSession) this.#times.answered(m.kind, this.#times.arrivedUs);
    this.#output.reserve(answerBytesMax(0));
    writeError(this.#output.writer, code, m.kind, m, what, details);
    return Step.NEXT;
  }

  /** Tells the client what it did wrong, and closes. */
  #fatal(code: ErrorCode, what?: string): Step {
    if (!this.#isClosing) {
      this.#host.events.ended(code, what, this.#socket);
      this.#output.reserve(answerBytesMax(0));
      writeError(this.#output.writer, code, 0, undefined, what);
      this.#host.meter.error(code);
      if (code === ErrorCode.UNAUTHORIZED) this.#host.meter.refused += 1;
      this.end();
    }
    return Step.CLOSING;
  }

  #badFrame(state: FrameState): void {
    if (state === FrameState.TOO_LARGE) this.#fatal(ErrorCode.FRAME_TOO_LARGE);
    else this.#fatal(ErrorCode.MALFORMED_FRAME, 'a frame begins with its length, above 0');
  }

  #block(): void {
    this.#isBlocked = true;
    this.#socket.pause();
    this.#host.blocked(this);
  }

  #stall(): void {
    if (this.#isStalled) return;
    this.#isStalled = true;
    this.#socket.pause();
    this.#stallTimer = setTimeout(() => this.#cutOff(), OUTPUT_STALL_MS);
  }

  /** The client does not take its answers. */
  #cutOff(): void {
    this.#host.events.slowReader(this.#output.unsent, this.#socket);
    this.#socket.destroy();
  }

  #drained(): void {
    this.#output.drained();
    if (!this.#isStalled || this.#isClosing) return;
    this.#isStalled = false;
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    // What was left of the chunk at hand comes first; it resumes the socket too.
    if (!this.#isBlocked) this.#work();
  }

  #helloLate(): void {
    this.#fatal(ErrorCode.HELLO_REQUIRED, 'no hello came in time');
  }

  #closed(): void {
    this.#isClosing = true;
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#stallTimer);
    this.#times.sent();
    this.#output.flush();
    if (this.token !== 0) this.#host.router.close(this.token);
    this.#scoped.release((session) => this.#host.router.disconnect(session));
    this.#host.closed(this);
  }
}
