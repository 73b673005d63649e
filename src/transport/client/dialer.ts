/**
 * Keeps one link to the server: dials, dials again after a wait when the link is lost, and gives
 * up when the server refuses for good or keeps sending nonsense.
 */
import type { SessileError } from '../../core/errors.ts';
import type { Backoff } from './backoff.ts';
import { ProtocolError } from './errors.ts';
import type { FrameHandler } from './incoming.ts';
import { Link, type LinkError } from './link.ts';
import type { Settings } from './options.ts';

/** `reconnecting` lasts from the loss of a link until the server's next welcome. */
export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'closed' | 'failed';

/** Connections in a row that brought a malformed frame before any good one but the welcome. */
const STRIKES_MAX = 5;

export interface DialerHooks {
  /** A new link is connected and takes frames. */
  opened(link: Link): void;
  /** The link is gone; another will be tried. */
  lost(error: SessileError): void;
  /** Closed or failed, for good. */
  ended(state: 'closed' | 'failed', error: SessileError): void;
  changed(state: ConnectionState, cause: SessileError | undefined): void;
}

export class Dialer {
  state: ConnectionState = 'connecting';
  #link: Link | undefined;
  #attempt = 0;
  #strikes = 0;
  #welcomedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #wanted = true;
  #closed: Promise<void> = Promise.resolve();

  constructor(
    readonly settings: Settings,
    readonly backoff: Backoff,
    readonly hooks: DialerHooks,
    readonly handler: FrameHandler,
  ) {}

  /** The link that the server has welcomed, if there is one now. */
  get link(): Link | undefined {
    return this.state === 'connected' ? this.#link : undefined;
  }

  get ended(): boolean {
    return this.state === 'closed' || this.state === 'failed';
  }

  dial(): void {
    this.#timer = undefined;
    const link: Link = new Link(
      this.settings,
      { opened: () => this.hooks.opened(link), down: (error) => this.#lost(error) },
      this.handler,
    );
    this.#link = link;
    if (!this.#wanted) link.unref();
  }

  welcomed(): void {
    this.#link?.greeted();
    this.#welcomedAt = performance.now();
    this.#change('connected', undefined);
  }

  /** A frame other than a welcome made sense: whatever went wrong before is over. */
  good(): void {
    this.#strikes = 0;
    this.#attempt = 0;
  }

  /** Ends everything. Resolves when the socket is closed. */
  end(state: 'closed' | 'failed', error: SessileError): Promise<void> {
    if (this.ended) return this.#closed;
    const link = this.#link;
    this.#link = undefined;
    clearTimeout(this.#timer);
    this.state = state;
    if (link !== undefined) this.#closed = link.close(this.settings.connectTimeoutMs);
    this.hooks.ended(state, error);
    this.hooks.changed(state, error);
    return this.#closed;
  }

  ref(): void {
    this.#wanted = true;
    this.#link?.ref();
    this.#timer?.ref();
  }

  unref(): void {
    this.#wanted = false;
    this.#link?.unref();
    this.#timer?.unref();
  }

  #lost(error: LinkError): void {
    this.#link = undefined;
    if (error instanceof ProtocolError) this.#strikes += 1;
    // Before the first welcome the caller of `connect` waits, and can tell best what to do.
    if (this.state === 'connecting' || this.#strikes >= STRIKES_MAX) {
      void this.end('failed', error);
      return;
    }
    // A link that held longer than the longest wait was no part of one series of failures.
    const heldMs = performance.now() - this.#welcomedAt;
    if (this.state === 'connected' && heldMs > this.backoff.maxMs) this.#attempt = 0;
    this.#timer = setTimeout(() => this.dial(), this.backoff.delayMs(this.#attempt));
    if (!this.#wanted) this.#timer.unref();
    this.#attempt += 1;
    this.hooks.lost(error);
    this.#change('reconnecting', error);
  }

  #change(state: ConnectionState, cause: SessileError | undefined): void {
    if (this.state === state || this.ended) return;
    this.state = state;
    this.hooks.changed(state, cause);
  }
}
