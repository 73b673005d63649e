/**
 * Unsequenced calls in flight, by correlation number. They are not deduplicated by the server, so
 * one that was sent over a lost connection is never sent again: its outcome stays unknown.
 */
import type { StatusName } from '../../core/codes.ts';
import type { SessileError } from '../../core/errors.ts';
import { ReplyStatusError } from '../../core/session-errors.ts';
import type { Body } from './bodies.ts';
import { ConnectionClosedError, QueueFullError, RequestTimeoutError } from './errors.ts';
import { Exchange } from './exchange.ts';
import type { Identity } from './frames.ts';
import { callFrame } from './frames.ts';
import { Waiter } from './waiter.ts';
import type { Window } from './window.ts';

/**
 * Correlations are the upper half of the u32 range, round and round. An error frame names a
 * request or a call by its number alone, and request numbers do not get up there.
 */
const CORRELATION_MIN = 2 ** 31;
const CORRELATION_MAX = 2 ** 32 - 1;

interface Call {
  readonly exchange: Exchange;
  /** Missing once its caller has given up: only the answer is still expected. */
  waiter: Waiter<unknown> | undefined;
}

export class Calls {
  readonly #calls = new Map<number, Call>();
  #next = CORRELATION_MIN;

  constructor(
    readonly window: Window,
    readonly queueMax: number,
  ) {}

  /** Sends a call and resolves with the decoded result. */
  call(
    identity: Identity | null,
    operation: number | string,
    body: Uint8Array,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    timedOut: () => void,
  ): Promise<unknown> {
    if (this.#calls.size >= this.window.limit + this.queueMax) {
      throw new QueueFullError(this.queueMax);
    }
    const correlation = this.#correlation();
    const frame = callFrame(correlation, identity, operation, body);
    const waiter = new Waiter<unknown>(timeoutMs, signal, (cause) => {
      const sent = call.exchange.sends > 0;
      call.waiter = undefined;
      if (!sent) this.#forget(correlation, call);
      if (cause === 'abort') return waiter.reject(waiter.abortReason);
      waiter.reject(new RequestTimeoutError(`call of ${operation}`, timeoutMs, sent));
      if (sent) timedOut();
    });
    const lost = () => {
      const gone = 'the connection was lost during a call; its outcome is unknown';
      this.#forget(correlation, call)?.reject(new ConnectionClosedError(gone));
      return false;
    };
    const call: Call = { exchange: new Exchange(frame, { lost }), waiter };
    this.#calls.set(correlation, call);
    this.window.submit(call.exchange);
    return waiter.promise;
  }

  result(correlation: number, status: StatusName, body: Body): void {
    const waiter = this.#answered(correlation);
    if (waiter === undefined) return;
    settle(waiter, status, body);
  }

  /** An error with this number; false when it belongs to no call. */
  refused(correlation: number, error: SessileError): boolean {
    if (!this.#calls.has(correlation)) return false;
    this.#answered(correlation)?.reject(error);
    return true;
  }

  /** Nothing will come any more. */
  end(error: SessileError): void {
    for (const [correlation, call] of [...this.#calls]) {
      this.#forget(correlation, call)?.reject(error);
    }
  }

  #answered(correlation: number): Waiter<unknown> | undefined {
    const call = this.#calls.get(correlation);
    if (call === undefined || call.exchange.sends === 0) return undefined;
    return this.#forget(correlation, call);
  }

  #forget(correlation: number, call: Call): Waiter<unknown> | undefined {
    this.#calls.delete(correlation);
    this.window.drop(call.exchange);
    return call.waiter;
  }

  #correlation(): number {
    // Far fewer calls are in flight than there are numbers, so this ends after a few turns.
    while (this.#calls.has(this.#next)) this.#advance();
    const correlation = this.#next;
    this.#advance();
    return correlation;
  }

  #advance(): void {
    this.#next = this.#next === CORRELATION_MAX ? CORRELATION_MIN : this.#next + 1;
  }
}

/** Gives the caller a reply or a result: its body if it is ok, otherwise its status as an error. */
export function settle(waiter: Waiter<unknown>, status: StatusName, body: Body): void {
  try {
    const decoded = body.decode();
    if (status === 'ok') waiter.resolve(decoded);
    else waiter.reject(new ReplyStatusError(status, decoded));
  } catch (error) {
    waiter.reject(error);
  }
}
