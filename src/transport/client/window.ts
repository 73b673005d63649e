/**
 * The order in which frames that want an answer go out, and the limit on how many may be without
 * one (`in_flight_max`). Over a disconnect it keeps those that shall be sent again, in the order
 * in which they were sent first, before those that have waited.
 */
import type { Backoff } from './backoff.ts';
import type { Exchange } from './exchange.ts';

/** Where frames go. */
export interface Sink {
  send(frame: Buffer): void;
}

export class Window {
  /** How many may be outstanding. */
  limit = 1;
  #sink: Sink | undefined;
  #waiting = new Set<Exchange>();
  readonly #outstanding = new Set<Exchange>();

  constructor(readonly backoff: Backoff) {}

  /** Frames sent and not answered, each counted once. */
  get outstanding(): number {
    return this.#outstanding.size;
  }

  /** Starts to send over a new connection. */
  open(sink: Sink): void {
    this.#sink = sink;
    this.#pump();
  }

  /** The limit has changed. */
  allow(limit: number): void {
    this.limit = limit;
    this.#pump();
  }

  /** The connection is gone: asks each outstanding exchange whether it goes on over the next. */
  suspend(): void {
    this.#sink = undefined;
    const sent = [...this.#outstanding];
    this.#outstanding.clear();
    const again = sent.filter((exchange) => exchange.hooks.lost());
    this.#waiting = new Set([...again, ...this.#waiting]);
  }

  /** Sends the frame when its turn comes. */
  submit(exchange: Exchange): void {
    stopTimer(exchange);
    const sink = this.#waiting.size === 0 ? this.#sink : undefined;
    if (sink !== undefined && this.#outstanding.size < this.limit) {
      // Nearly always, so without a way through those that wait.
      this.#outstanding.add(exchange);
      this.#write(exchange, sink);
      return;
    }
    this.#waiting.add(exchange);
    this.#pump();
  }

  /** Asks once more: at once, if a copy is outstanding here, and else when its turn comes. */
  repeat(exchange: Exchange): void {
    if (this.#outstanding.has(exchange)) this.#write(exchange, this.#sink);
    else if (exchange.timer === undefined) this.submit(exchange);
  }

  /** One copy was answered. */
  answered(exchange: Exchange): void {
    exchange.unanswered = Math.max(0, exchange.unanswered - 1);
    this.drop(exchange);
  }

  /** Submits the exchange again after a wait that grows each time. */
  retryLater(exchange: Exchange): void {
    stopTimer(exchange);
    const delayMs = this.backoff.delayMs(exchange.retries);
    exchange.retries += 1;
    exchange.timer = setTimeout(() => this.submit(exchange), delayMs);
    // Whoever waits for the answer has a timer that keeps the process alive.
    exchange.timer.unref();
  }

  /** Sends no further copy. What is outstanding stays so until it is answered. */
  withdraw(exchange: Exchange): void {
    stopTimer(exchange);
    if (this.#waiting.size > 0) this.#waiting.delete(exchange);
  }

  /** Forgets the exchange altogether. */
  drop(exchange: Exchange): void {
    this.withdraw(exchange);
    if (this.#outstanding.delete(exchange)) this.#pump();
  }

  #pump(): void {
    if (this.#waiting.size === 0) return;
    for (const exchange of this.#waiting) {
      if (this.#sink === undefined || this.#outstanding.size >= this.limit) return;
      this.#waiting.delete(exchange);
      this.#outstanding.add(exchange);
      this.#write(exchange, this.#sink);
    }
  }

  #write(exchange: Exchange, sink: Sink | undefined): void {
    exchange.sends += 1;
    exchange.unanswered += 1;
    sink?.send(exchange.frame);
    exchange.hooks.sent?.();
  }
}

function stopTimer(exchange: Exchange): void {
  if (exchange.timer === undefined) return;
  clearTimeout(exchange.timer);
  exchange.timer = undefined;
}
