/**
 * Requests that nobody here waits for any more, though their sessions live on at the server and
 * their answers may still come over this link. An answer names a session and a number, not a frame:
 * until it is in, another session of that id must not use the number for something else.
 */
import type { OpenRequest } from './sequencer.ts';

interface Late {
  readonly session: number;
  readonly number: number;
  /** Copies of the frame that this link has not answered. */
  copies: number;
}

export class LateAnswers {
  readonly #late = new Map<string, Late>();

  /** A session object is gone; `open` is its request that was not answered, if there is one. */
  note(id: string, session: number, open: OpenRequest | undefined): void {
    if (open === undefined) return;
    this.#late.set(id, { session, number: open.number, copies: open.copies });
  }

  /** Whether an answer may come that a session of this number must wait for. */
  has(id: string, session: number): boolean {
    return this.#late.get(id)?.session === session;
  }

  /** Takes a reply that was awaited here. Further copies of it have a number that is used up. */
  reply(id: string, session: number, number: number): boolean {
    const late = this.#late.get(id);
    if (late === undefined || late.session !== session || late.number !== number) return false;
    return this.#late.delete(id);
  }

  /** Takes a refusal that was awaited here; the last one shows that the number was not used. */
  refused(id: string, number: number): boolean {
    const late = this.#late.get(id);
    if (late === undefined || late.number !== number) return false;
    late.copies -= 1;
    if (late.copies === 0) this.#late.delete(id);
    return true;
  }

  /** The session has ended: what is answered of it concerns no later one. */
  ended(id: string, session: number): void {
    if (this.has(id, session)) this.#late.delete(id);
  }

  /** The link is lost, and with it all that might have come over it. */
  clear(): void {
    this.#late.clear();
  }
}
