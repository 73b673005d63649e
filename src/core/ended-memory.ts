/**
 * A bounded memory of why sessions ended, so that a client of an ended session hears `evicted` or
 * `expired` rather than only `no_session`. Direct-mapped by the id's hash: a newer end overwrites
 * an older one in the same entry, and then the older client hears `no_session`.
 */
import type { Arena } from './arena.ts';
import { Reason } from './codes.ts';
import { ENDED_WORDS, Row, RowByte } from './layout.ts';
import type { Message } from './message.ts';
import { isTrusted } from './principals.ts';

/** The session that a method has just ended: whom to tell. */
export class EndedSession {
  id0 = 0;
  id1 = 0;
  id2 = 0;
  id3 = 0;
  sessionLow = 0;
  sessionHigh = 0;
  frontEnd = 0;
  token = 0;
  reason: Reason = Reason.NO_SESSION;

  /** Takes everything from the row, which is about to be freed. */
  read(words: Int32Array, row: number, reason: Reason): void {
    this.id0 = words[row + Row.ID0];
    this.id1 = words[row + Row.ID1];
    this.id2 = words[row + Row.ID2];
    this.id3 = words[row + Row.ID3];
    this.sessionLow = words[row + Row.SESSION_LOW];
    this.sessionHigh = words[row + Row.SESSION_HIGH];
    this.frontEnd = (words[row + Row.FLAGS] >>> RowByte.FRONT_END) & RowByte.MASK;
    this.token = words[row + Row.TOKEN];
    this.reason = reason;
  }
}

const enum Entry {
  ID0 = 0,
  SESSION_LOW = 4,
  SESSION_HIGH = 5,
  REASON = 6,
  /** Half of the session's principal is enough to keep strangers from the news of its end. */
  PRINCIPAL = 7,
}

/** `recall`: nothing is remembered that is the asker's. */
export const NOT_THEIRS = -1;

export class EndedMemory {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #mask: number;

  constructor(arena: Arena) {
    this.#words = arena.words;
    this.#base = arena.regions.ended;
    this.#mask = arena.endedMask;
  }

  /** Remembers the end of the session in the given row. */
  remember(hash: number, row: number, reason: Reason): void {
    const words = this.#words;
    const entry = this.#base + (hash & this.#mask) * ENDED_WORDS;
    words[entry + Entry.ID0] = words[row + Row.ID0];
    words[entry + Entry.ID0 + 1] = words[row + Row.ID1];
    words[entry + Entry.ID0 + 2] = words[row + Row.ID2];
    words[entry + Entry.ID0 + 3] = words[row + Row.ID3];
    words[entry + Entry.SESSION_LOW] = words[row + Row.SESSION_LOW];
    words[entry + Entry.SESSION_HIGH] = words[row + Row.SESSION_HIGH];
    words[entry + Entry.REASON] = reason + 1;
    words[entry + Entry.PRINCIPAL] = words[row + Row.PRINCIPAL_LOW];
  }

  /**
   * Why the session that a message names is gone. A message without a session number (a call, a
   * close of whichever is live) asks for the id's last one. A message that is somebody's learns of
   * nothing but ids whose last session here was their own: else this is `NOT_THEIRS`.
   */
  recall(m: Message): Reason | typeof NOT_THEIRS {
    const words = this.#words;
    const entry = this.#base + (m.hash & this.#mask) * ENDED_WORDS;
    const unknown = isTrusted(m) ? Reason.NO_SESSION : NOT_THEIRS;
    if (
      words[entry + Entry.REASON] === 0 ||
      words[entry + Entry.ID0] !== m.id0 ||
      words[entry + Entry.ID0 + 1] !== m.id1 ||
      words[entry + Entry.ID0 + 2] !== m.id2 ||
      words[entry + Entry.ID0 + 3] !== m.id3
    ) {
      return unknown;
    }
    if (unknown === NOT_THEIRS && words[entry + Entry.PRINCIPAL] !== m.principalLow) return unknown;
    const named =
      (m.sessionHigh !== 0 || m.sessionLow !== 0) &&
      (m.sessionHigh !== words[entry + Entry.SESSION_HIGH] ||
        m.sessionLow !== words[entry + Entry.SESSION_LOW]);
    return named ? Reason.NO_SESSION : words[entry + Entry.REASON] - 1;
  }
}
