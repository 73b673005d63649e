/**
 * One client connection of the server: bytes in, frames, messages to the router; answers back as
 * frames. It carries any number of sessions.
 *
 * Its input stops in three cases, and resumes in order: while its token is checked, when a shard's
 * ring is full (the frame at hand is kept and submitted again), and when the client does not read
 * its answers.
 */
import type { Socket } from 'node:net';
import { assert } from '../core/assert.ts';
import { ErrorCode } from '../core/codes.ts';
import { SessileError } from '../core/errors.ts';
import type { Principal } from '../security/authenticator.ts';
import { type Answer, AnswerKind } from '../workers/answer.ts';
import { Submitted } from '../workers/dispatch.ts';
import type { AnswerSink } from '../workers/sinks.ts';
import { answerBytesMax, writeAnswer, writeError } from './answer-frames.ts';
import { AnswerTimes } from './answer-times.ts';
import { Bearer, NEEDS_CLIENT, NEEDS_OPERATOR } from './bearer.ts';
import type { ConnectionHost } from './connection-host.ts';
import { FrameBuffer, FrameState } from './frame-buffer.ts';
import { firstFrameBytesMax, looksLikeTls, readHello } from './hello.ts';
import { OPERATOR_CALLS_MAX, OUTPUT_BYTES_MAX, OUTPUT_STALL_MS } from './limits.ts';
import { Read } from './message-reader.ts';
import { writeOutcome } from './outcome-frame.ts';
import { Output } from './output.ts';
import { Patience, type PatienceLimits } from './patience.ts';
import { readPing, writePong } from './pong-frame.ts';
import { PROTOCOL_VERSION, ToServer } from './protocol.ts';
import { ScopedSessions } from './scoped-sessions.ts';
import { Step } from './step.ts';

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
  readonly bearer = new Bearer();
  readonly #patience = new Patience();
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
    this.#frames = new FrameBuffer(firstFrameBytesMax(host.frameBytesMax));
    this.#output = new Output(socket, host.pool);
    this.#times = new AnswerTimes(host.meter);
    this.token = host.router.open(this);
    this.#helloTimer = setTimeout(() => this.#helloLate(), host.helloTimeoutMs);
    socket.setNoDelay(true);
    socket.on('drain', () => this.#drained());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#closed());
  }

  /** An answer for one of this connection's sessions. */
  answer(a: Answer): void {
    this.#scoped.note(a);
    if (this.#isClosing) return;
    this.#patience.heard = true;
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

  /** The server looks whether anything still comes. */
  look(nowMs: number, limits: PatienceLimits): void {
    if (this.#isClosing || !this.#saidHello) return;
    const isOurs = this.#isBlocked || this.#isStalled;
    const lost = this.#patience.lost(nowMs, limits, this.#frames.unfinished, isOurs);
    if (lost !== undefined) this.#fatal(ErrorCode.TIMED_OUT, lost);
  }

  /** Refuses the connection before it began, and counts it among those. */
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
    this.#patience.heard = true;
    const isFirst = !this.#saidHello && this.#frames.unfinished === 0;
    if (isFirst && looksLikeTls(bytes, length)) return this.#refuseTls();
    assert(this.#frames.waiting === 0, 'a chunk is used up before the next is read');
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
          if (state === FrameState.TOO_LARGE) this.#fatal(ErrorCode.FRAME_TOO_LARGE);
          else this.#fatal(ErrorCode.MALFORMED_FRAME, 'a frame begins with its length, above 0');
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
    if (this.#isClosing || step === Step.CHECKING) return;
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
    if (!this.bearer.isClient) return this.#refuse(ErrorCode.FORBIDDEN, NEEDS_CLIENT);
    if (read === Read.REFUSED) return this.#refuse(reader.error, reader.problem, reader.details);
    if (this.#host.stopping) return this.#refuse(ErrorCode.SHUTTING_DOWN);
    if (kind === ToServer.REGISTER && this.#scoped.isFull)
      return this.#refuse(ErrorCode.SERVER_BUSY);
    message.token = this.token;
    message.principalLow = this.bearer.low;
    message.principalHigh = this.bearer.high;
    message.arrivedUs = this.#times.arrivedUs;
    return router.submit(message) === Submitted.BLOCKED ? Step.BLOCKED : Step.NEXT;
  }

  /** Runs a call to the server itself; its result comes in a later turn. */
  #operate(name: string): Step {
    const { reader, operatorCalls } = this.#host;
    const { request, bodyBytes, bodyLength } = reader.message;
    if (!this.bearer.isOperator) return this.#refuse(ErrorCode.FORBIDDEN, NEEDS_OPERATOR);
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
    const { reader, authenticator } = this.#host;
    const { cursor } = reader;
    const hello = readHello(cursor, fields, PROTOCOL_VERSION, authenticator !== undefined);
    if (cursor.problem === '' && hello.version !== PROTOCOL_VERSION) {
      return this.#fatal(ErrorCode.UNSUPPORTED_VERSION);
    }
    if (cursor.problem === '' && this.#saidHello) cursor.fail('hello was said before');
    if (cursor.problem !== '') return this.#fatal(ErrorCode.MALFORMED_FRAME, cursor.problem);
    this.#saidHello = true;
    if (authenticator === undefined) return this.#welcome();
    // As if blocked: what else has arrived waits where it is, and no more is read.
    this.#isBlocked = true;
    this.#socket.pause();
    authenticator.authenticate(hello.token).then(
      (principal) => this.#admit(principal),
      (error: unknown) => this.#turnAway(error),
    );
    return Step.CHECKING;
  }

  #welcome(): Step {
    clearTimeout(this.#helloTimer);
    this.#frames.frameBytesMax = this.#host.frameBytesMax;
    this.#output.reserve(this.#host.welcome.byteLength);
    const { writer } = this.#output;
    writer.at += this.#host.welcome.copy(writer.bytes, writer.at);
    return Step.NEXT;
  }

  /** The token is good: goes on with what came behind hello. */
  #admit(principal: Principal): void {
    if (this.#isClosing) return;
    this.bearer.accept(principal, () => this.revoke('the token has expired'));
    if (this.#isClosing) return;
    this.#welcome();
    this.resume();
  }

  #turnAway(error: unknown): void {
    if (this.#isClosing) return;
    // Only the texts of our own errors are known to hold no part of the token.
    this.refuse(ErrorCode.UNAUTHORIZED, error instanceof SessileError ? error.message : undefined);
  }

  /** Closes the connection because its token is not good, or not any more. */
  revoke(what?: string): void {
    this.#fatal(ErrorCode.UNAUTHORIZED, what);
  }

  /** `[4, nonce]`, any value, sent back as it is. */
  #ping(fields: number): Step {
    const { cursor } = this.#host.reader;
    const start = readPing(cursor, fields);
    if (cursor.problem !== '') return this.#fatal(ErrorCode.MALFORMED_FRAME, cursor.problem);
    this.#reserve(answerBytesMax(cursor.end - start));
    writePong(this.#output.writer, cursor, start);
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
      this.end();
    }
    return Step.CLOSING;
  }

  /** Its bytes are a handshake, which would be told to be anything but that. */
  #refuseTls(): void {
    this.#host.notices.say('tls', 'a client that speaks TLS was refused: this port does not');
    this.refuse(ErrorCode.HELLO_REQUIRED, 'this port does not speak TLS');
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
    const what = this.#saidHello ? 'the token was not checked in time' : 'no hello came in time';
    this.#fatal(this.#saidHello ? ErrorCode.TIMED_OUT : ErrorCode.HELLO_REQUIRED, what);
  }

  #closed(): void {
    this.#isClosing = true;
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#stallTimer);
    this.bearer.end();
    this.#times.sent();
    this.#output.flush();
    if (this.token !== 0) this.#host.router.close(this.token);
    this.#scoped.release((session) => this.#host.router.disconnect(session));
    this.#host.closed(this);
  }
}
