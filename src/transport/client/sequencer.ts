/**
 * The requests of one session: one in flight, the others in a bounded queue behind it.
 *
 * A request number names one body for ever. When the caller of the request in flight gives up, its
 * frame is therefore kept: the session is *unsettled*. Before the next request takes a number the
 * frame is sent again, as it was, and its outcome awaited.
 */
import type { StatusName } from '../../core/codes.ts';
import type { SessileError } from '../../core/errors.ts';
import { REQUEST_NUMBER_MAX } from '../../core/limits.ts';
import { RateLimitedError, RefusedError } from '../../core/session-errors.ts';
import type { Body } from './bodies.ts';
import { settle } from './calls.ts';
import { QueueFullError, RequestTimeoutError } from './errors.ts';
import { Exchange } from './exchange.ts';
import { Waiter } from './waiter.ts';
import type { Window } from './window.ts';

/** Refusals after which the same frame may be accepted a moment later. */
const PASSING: readonly string[] = ['server_busy', 'shutting_down'];

/** Refusals of one copy that say nothing of another, which may have come at a better moment. */
const FITFUL: readonly string[] = ['storage_failed', 'rate_limited', 'request_in_flight'];

/** Refusals that show that the two sides count differently: going on would be guessing. */
const DISAGREEMENTS: readonly string[] = [
  'request_mismatch',
  'request_gap',
  'request_stale',
  'session_too_high',
];

/** Not so a cost that is above the burst: it is refused at any moment. */
function isFitful(error: SessileError): boolean {
  if (error instanceof RateLimitedError && error.retryAfterMs === Infinity) return false;
  return FITFUL.includes(error.code);
}

/** Whether the server knows no session of this id that is ours; a missing capability is else. */
export function isNotOurs(error: SessileError): boolean {
  return error.code === 'forbidden' && error.details.session === 0;
}

export function isPassing(error: SessileError): boolean {
  return PASSING.includes(error.code);
}

export interface SequencerHost {
  /** The frame of a request of this session. */
  frame(request: number, operation: number, body: Uint8Array): Buffer;
  /** A frame was sent and its caller has given up waiting. */
  timedOut(): void;
  /** The session cannot go on. */
  failed(error: SessileError): void;
  /** Draining: no caller waits for a request any more. May be told more than once. */
  quiet(): void;
  /** Draining: the outcome of every request is known. Told once. */
  idle(): void;
}

/** A request whose outcome nobody here knows. */
export interface OpenRequest {
  readonly number: number;
  readonly frame: Buffer;
  /** Copies sent, and those that nothing has answered. */
  readonly sends: number;
  readonly unanswered: number;
}

interface Pending {
  readonly operation: number;
  readonly body: Uint8Array;
  readonly waiter: Waiter<unknown>;
}

interface InFlight {
  readonly number: number;
  readonly exchange: Exchange;
  /** Missing once its caller has given up. */
  pending: Pending | undefined;
  /** For whose sake the frame was sent again after that. */
  settledFor: Pending | 'close' | undefined;
  refusal: SessileError | undefined;
}

export class Sequencer {
  /** The number of the last request that is known to be committed. */
  last = 0;
  readonly #queue = new Set<Pending>();
  #inFlight: InFlight | undefined;
  /** What a new request is rejected with, once there is something. */
  #ended: SessileError | undefined;
  #draining = false;

  constructor(
    readonly window: Window,
    readonly queueMax: number,
    readonly host: SequencerHost,
  ) {}

  /** Requests that wait behind the one in flight. */
  get queued(): number {
    return this.#queue.size;
  }

  /** True while the outcome of a request is open whose caller has given up. */
  get unsettled(): boolean {
    return this.#inFlight !== undefined && this.#inFlight.pending === undefined;
  }

  /** The request that was sent, whose outcome is not known. */
  get open(): OpenRequest | undefined {
    const current = this.#inFlight;
    if (current === undefined || current.exchange.unanswered === 0) return undefined;
    const { frame, sends, unanswered } = current.exchange;
    return { number: current.number, frame, sends, unanswered };
  }

  /**
   * Begins behind the committed request `last`. If another object of this session has left the next
   * number open, that is settled before anything else takes it.
   */
  begin(last: number, left: OpenRequest | undefined): void {
    this.last = last;
    if (left?.number !== last + 1) return;
    const exchange = new Exchange(left.frame, { lost: () => this.#wanted(current) });
    exchange.sends = left.sends;
    exchange.unanswered = left.unanswered;
    const open = { pending: undefined, settledFor: undefined, refusal: undefined };
    const current: InFlight = { number: left.number, exchange, ...open };
    this.#inFlight = current;
  }

  /** Throws what ended the session. */
  assertOpen(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  request(
    operation: number,
    body: Uint8Array,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    this.assertOpen();
    if (this.#inFlight !== undefined && this.#queue.size >= this.queueMax) {
      throw new QueueFullError(this.queueMax);
    }
    const ahead = this.#queue.size + (this.#inFlight === undefined ? 0 : 1);
    if (this.last + ahead >= REQUEST_NUMBER_MAX) {
      const message = 'every request number of this session was used; register anew';
      throw new RefusedError('requests_exhausted', message, {});
    }
    const waiter = new Waiter<unknown>(timeoutMs, signal, (cause) => this.#expire(pending, cause));
    const pending: Pending = { operation, body, waiter };
    if (ahead === 0) {
      // Nearly always, so without a way through the queue.
      this.#start(pending);
    } else {
      this.#queue.add(pending);
      this.#advance();
    }
    return waiter.promise;
  }

  reply(number: number, status: StatusName, body: Body): void {
    const current = this.#sent(number);
    if (current === undefined) return;
    this.window.drop(current.exchange);
    this.#inFlight = undefined;
    this.last = number;
    if (current.pending !== undefined) settle(current.pending.waiter, status, body);
    this.#advance();
  }

  /** An error with this number; false when it belongs to no request of this session. */
  refused(number: number, error: SessileError): boolean {
    const current = this.#sent(number);
    if (current === undefined) return false;
    this.window.answered(current.exchange);
    if (DISAGREEMENTS.includes(error.code) || isNotOurs(error)) {
      this.host.failed(error);
      return true;
    }
    const isOpen = current.exchange.unanswered > 0 && isFitful(error);
    if (isOpen || isPassing(error)) {
      this.#putOff(current, error);
      return true;
    }
    this.#inFlight = undefined;
    current.pending?.waiter.reject(error);
    this.#advance();
    return true;
  }

  /** Takes no more requests, rejects those in the queue, and says when the last one is settled. */
  drain(error: SessileError): void {
    this.#ended = error;
    this.#draining = true;
    this.#rejectQueue(error);
    this.#advance();
  }

  /** Rejects everything; nothing is sent any more. */
  end(error: SessileError): void {
    this.#ended = error;
    this.#draining = false;
    const current = this.#inFlight;
    this.#inFlight = undefined;
    if (current !== undefined) this.window.drop(current.exchange);
    current?.pending?.waiter.reject(error);
    this.#rejectQueue(error);
  }

  /** Does what can be done next; called whenever something has changed. */
  #advance(): void {
    const current = this.#inFlight;
    if (current?.pending !== undefined) return;
    if (this.#draining) this.host.quiet();
    const next = this.#next();
    if (current !== undefined) return this.#settle(current, next);
    if (next === undefined) return;
    if (next === 'close') {
      this.#draining = false;
      return this.host.idle();
    }
    this.#queue.delete(next);
    this.#start(next);
  }

  #next(): Pending | 'close' | undefined {
    if (this.#queue.size === 0) return this.#draining ? 'close' : undefined;
    return this.#queue.values().next().value;
  }

  #start(pending: Pending): void {
    const number = this.last + 1;
    const frame = this.host.frame(number, pending.operation, pending.body);
    const current: InFlight = {
      number,
      exchange: new Exchange(frame, { lost: () => this.#wanted(current) }),
      pending,
      settledFor: undefined,
      refusal: undefined,
    };
    this.#inFlight = current;
    this.window.submit(current.exchange);
  }

  /** Sends an abandoned frame again, once for each one who cannot go on without its outcome. */
  #settle(current: InFlight, next: Pending | 'close' | undefined): void {
    if (current.settledFor === next) return;
    current.settledFor = next;
    if (next === undefined) this.window.withdraw(current.exchange);
    else this.window.repeat(current.exchange);
  }

  /** Whether anyone waits for the outcome of what is in flight. */
  #wanted(current: InFlight): boolean {
    if (current.pending !== undefined || this.#next() !== undefined) return true;
    current.settledFor = undefined;
    return false;
  }

  /** The server cannot take it now. */
  #putOff(current: InFlight, error: SessileError): void {
    current.refusal = error;
    if (current.pending === undefined && current.exchange.unanswered === 0) {
      // Each copy came back refused: it was not executed, so its number is free.
      this.#inFlight = undefined;
      this.#advance();
    } else if (this.#wanted(current)) {
      this.window.retryLater(current.exchange);
    }
  }

  #expire(pending: Pending, cause: 'timeout' | 'abort'): void {
    const { waiter } = pending;
    const current = this.#inFlight;
    const inFlight = current?.pending === pending;
    const open = inFlight && current.exchange.unanswered > 0;
    if (inFlight) this.#abandon(current, open);
    else this.#queue.delete(pending);
    if (cause === 'abort') waiter.reject(waiter.abortReason);
    else waiter.reject(this.#late(waiter, inFlight ? current : undefined, open));
    if (open && cause === 'timeout') this.host.timedOut();
    this.#advance();
  }

  #late(waiter: Waiter<unknown>, current: InFlight | undefined, open: boolean): SessileError {
    // Refused each time it was asked: that is known, and better to know than a timeout.
    if (!open && current?.refusal !== undefined) return current.refusal;
    return new RequestTimeoutError('a request', waiter.timeoutMs, open);
  }

  #abandon(current: InFlight, open: boolean): void {
    current.pending = undefined;
    if (open) {
      this.window.withdraw(current.exchange);
    } else {
      this.window.drop(current.exchange);
      this.#inFlight = undefined;
    }
  }

  #sent(number: number): InFlight | undefined {
    const current = this.#inFlight;
    if (current?.number !== number || current.exchange.sends === 0) return undefined;
    return current;
  }

  #rejectQueue(error: SessileError): void {
    const queue = [...this.#queue];
    this.#queue.clear();
    for (const { waiter } of queue) waiter.reject(error);
  }
}
