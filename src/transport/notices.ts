/**
 * What a server says of those who try to connect. They can make the same thing happen as often as
 * they like, so each kind of it is said once, and again only after a while.
 */

/** How long a kind of notice is not repeated. */
const QUIET_MS = 60_000;

export type NoticeKind =
  | 'tls'
  | 'plain'
  | 'address'
  | 'files'
  | 'operator_tls'
  | 'operator_plain'
  | 'operator_address';

export class Notices {
  readonly #say: (text: string) => void;
  readonly #said = new Map<NoticeKind, { at: number; more: number }>();

  constructor(say: (text: string) => void) {
    this.#say = say;
  }

  say(kind: NoticeKind, text: string): void {
    const now = performance.now();
    const before = this.#said.get(kind);
    if (before !== undefined && now - before.at < QUIET_MS) {
      before.more += 1;
      return;
    }
    const more = before?.more ?? 0;
    this.#said.set(kind, { at: now, more: 0 });
    this.#say(more === 0 ? text : `${text} (and ${more} times more since this was last said)`);
  }
}
