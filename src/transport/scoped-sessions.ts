/**
 * The sessions that end with a connection: it remembers those that it registered, by the answers
 * it gets, until they have ended.
 */
import { ErrorCode } from '../core/codes.ts';
import { Kind } from '../core/message.ts';
import { type Answer, AnswerKind, NO_SESSION_OF_THEIRS } from '../workers/answer.ts';
import type { ScopedSession } from '../workers/orphans.ts';
import { SCOPED_SESSIONS_MAX } from './limits.ts';

export class ScopedSessions {
  readonly #sessions = new Map<string, ScopedSession>();

  get isFull(): boolean {
    return this.#sessions.size >= SCOPED_SESSIONS_MAX;
  }

  /** Takes note of an answer, whether or not it still reaches the client. */
  note(a: Answer): void {
    if (a.kind === AnswerKind.REGISTERED && a.value !== 0) {
      const { id0, id1, id2, id3, sessionLow, sessionHigh } = a;
      this.#sessions.set(keyOf(a), { id0, id1, id2, id3, sessionLow, sessionHigh });
    } else if (a.kind === AnswerKind.EVICTION && this.#sessions.size > 0) {
      const key = keyOf(a);
      const known = this.#sessions.get(key);
      const isSame = known?.sessionLow === a.sessionLow && known.sessionHigh === a.sessionHigh;
      if (isSame) this.#sessions.delete(key);
    } else if (isGone(a) && this.#sessions.size > 0) {
      this.#sessions.delete(keyOf(a));
    }
  }

  /** The connection has gone: gives all of them away. */
  release(take: (session: ScopedSession) => void): void {
    for (const session of this.#sessions.values()) take(session);
    this.#sessions.clear();
  }
}

/**
 * A call learns by an error that no session of its id is live; nobody is told apart from it. So
 * does every message of somebody whose session ended so long ago that nobody knows how.
 */
function isGone(a: Answer): boolean {
  if (a.kind === AnswerKind.ERROR && a.code === ErrorCode.FORBIDDEN) {
    return a.value === NO_SESSION_OF_THEIRS;
  }
  const tells = a.code === ErrorCode.EXPIRED || a.code === ErrorCode.NO_SESSION;
  return a.kind === AnswerKind.ERROR && a.of === Kind.CALL && tells;
}

function keyOf({ id0, id1, id2, id3 }: Answer): string {
  return `${id0},${id1},${id2},${id3}`;
}
