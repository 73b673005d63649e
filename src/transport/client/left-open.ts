/**
 * Requests that session objects have left open: sent, their outcome unknown, the object let go of
 * or timed out, and the session still there. A number names one body for ever, so the next object
 * of such a session settles the request before it uses the number for another.
 */
import type { OpenRequest } from './sequencer.ts';

/** Clients that let go of more sessions with open requests, for good, have lost those first. */
const LEFT_MAX = 256;

interface Left {
  readonly session: number;
  readonly open: OpenRequest;
}

export class LeftOpen {
  readonly #left = new Map<string, Left>();

  keep(id: string, session: number, open: OpenRequest | undefined): void {
    if (open === undefined) return;
    // A map keeps the order of insertion: the first is the oldest.
    const [oldest] = this.#left.keys();
    if (this.#left.size === LEFT_MAX && oldest !== undefined) this.#left.delete(oldest);
    this.#left.set(id, { session, open });
  }

  /** What was left open of this session; forgotten with it, or if another session has its id. */
  take(id: string, session: number): OpenRequest | undefined {
    const left = this.#left.get(id);
    this.#left.delete(id);
    return left?.session === session ? left.open : undefined;
  }
}
