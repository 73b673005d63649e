/**
 * Pings: those that a caller asks for, and the probe that finds out, after a request has timed
 * out, whether the server is there at all. A link over which nothing comes back is given up, so
 * that the next request goes over a new one and not into a dead socket.
 */
import type { SessileError } from '../../core/errors.ts';
import { ConnectionClosedError, QueueFullError, RequestTimeoutError } from './errors.ts';
import { pingFrame } from './frames.ts';
import type { Link } from './link.ts';
import { Waiter } from './waiter.ts';

interface Ping {
  readonly sentAt: number;
  readonly waiter: Waiter<number>;
}

export class Pings {
  readonly #pings = new Map<number, Ping>();
  #nonce = 0;
  #probe: NodeJS.Timeout | undefined;

  constructor(readonly pingsMax: number) {}

  /** Resolves with the time to the server and back in ms. */
  ping(link: Link, timeoutMs: number, signal: AbortSignal | undefined): Promise<number> {
    if (this.#pings.size >= this.pingsMax) throw new QueueFullError(this.pingsMax);
    const nonce = ++this.#nonce;
    const waiter = new Waiter<number>(timeoutMs, signal, (cause) => {
      this.#pings.delete(nonce);
      const late = new RequestTimeoutError('a ping', timeoutMs, true);
      waiter.reject(cause === 'abort' ? waiter.abortReason : late);
    });
    this.#pings.set(nonce, { sentAt: performance.now(), waiter });
    link.send(pingFrame(nonce));
    return waiter.promise;
  }

  pong(nonce: number): void {
    const ping = this.#pings.get(nonce);
    if (ping === undefined) return;
    this.#pings.delete(nonce);
    ping.waiter.resolve(performance.now() - ping.sentAt);
  }

  /** Gives the link up unless anything at all arrives over it within `graceMs`. */
  probe(link: Link, graceMs: number): void {
    if (this.#probe !== undefined) return;
    const heard = link.heard;
    link.send(pingFrame(++this.#nonce));
    this.#probe = setTimeout(() => {
      this.#probe = undefined;
      if (link.heard !== heard) return;
      link.fail(new ConnectionClosedError(`the server was silent for ${graceMs} ms`));
    }, graceMs);
    this.#probe.unref();
  }

  /** The link is gone: its pings are never answered. */
  end(error: SessileError): void {
    clearTimeout(this.#probe);
    this.#probe = undefined;
    const pings = [...this.#pings.values()];
    this.#pings.clear();
    for (const { waiter } of pings) waiter.reject(error);
  }
}
