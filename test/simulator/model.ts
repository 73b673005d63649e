/**
 * What the oracle knows of one session: every state it has had, in order, which of them somebody
 * was told of, and what may come of the execution that is under way.
 */
import { Status } from '../../src/core/codes.ts';
import type { State } from './service.ts';
import type { SimulatedSocket } from './socket.ts';

/** What the session is after a commit, and how whoever asked is answered. */
export interface Outcome {
  /** The request number of the session's last request. */
  readonly request: number;
  readonly state: State;
  /** 0 for a register. */
  readonly nonce: number;
  /** The request's status; of a register and of calls that of the request before. */
  readonly status: Status;
  /** The reply as JSON; undefined where its text is the engine's own. */
  readonly reply: string | undefined;
  /** When it was committed, or began to execute. */
  readonly atMs: number;
  /** It was a call: its reply is not that of the request before it. */
  readonly isCall?: boolean;
  /** The reply's bytes, once they were seen. */
  bytes?: string;
}

/** An execution that takes its time. */
interface Execution {
  readonly request: number;
  /** What it comes to when it ends by itself; undefined if it never does. */
  readonly success: Outcome | undefined;
  /** What it comes to when it takes too long, or its worker dies. */
  readonly failure: Outcome;
  readonly beganMs: number;
  /** Deaths of workers before it began. */
  readonly deaths: number;
  /** It has ended by itself. */
  isFinished: boolean;
}

export class SessionModel {
  /** The last is what it is now; all that may be found after a crash come before it. */
  readonly outcomes: Outcome[] = [];
  /** Somebody was told of this one. */
  acked = 0;
  /** The execution that is under way. */
  pending: Execution | undefined;
  /** If its worker died while it executed, the last outcome may be this one instead. */
  instead: { readonly outcome: Outcome; readonly deaths: number } | undefined;
  ended = '';
  endAcked = false;
  /** The register's answer was seen. */
  isKnown = false;
  ttlMs = Number.POSITIVE_INFINITY;
  /** The shortest that it has ever had. */
  ttlLeastMs = Number.POSITIVE_INFINITY;
  activeMs: number;
  /** When it was active for sure: a crash may have taken back what came later. */
  sureActiveMs: number;
  committedMs: number;
  /** It committed a moment ago: when exactly, its row tells. */
  isUnsure = true;
  /** What a recovery may have added to its life. */
  slackMs = 0;
  /** By how much recoveries may have moved its times. */
  roundedMs = 0;
  isScoped = false;
  /** The server's side of the connection that it last spoke on. */
  route: SimulatedSocket | undefined;
  /** Where its end was told. */
  readonly toldOn = new Set<SimulatedSocket>();

  constructor(
    readonly id: string,
    readonly session: number,
    nowMs: number,
  ) {
    this.activeMs = nowMs;
    this.sureActiveMs = nowMs;
    this.committedMs = nowMs;
    const state: State = [0, 0, 0, ''];
    const register = { request: 0, state, nonce: 0, status: Status.OK, reply: undefined };
    this.outcomes.push({ ...register, atMs: nowMs });
  }

  get name(): string {
    return `${this.id.slice(0, 6)}/${this.session}`;
  }

  get isLive(): boolean {
    return this.ended === '';
  }

  get last(): Outcome {
    return this.outcomes[this.outcomes.length - 1];
  }

  /** The failure of a request whose outcome was to be another. */
  failureOf(request: number, nonce: number, state: State, atMs: number): Outcome {
    return { request, state, nonce, status: Status.FAILED, reply: undefined, atMs };
  }

  push(outcome: Outcome): void {
    this.outcomes.push(outcome);
  }

  /** What may have come of an execution by now. */
  possible(nowMs: number, timeoutMs: number, deaths: number): Outcome[] {
    const { pending } = this;
    if (pending === undefined) return [];
    const outcomes: Outcome[] = [];
    if (pending.isFinished && pending.success !== undefined) outcomes.push(pending.success);
    const isLate = nowMs - pending.beganMs >= timeoutMs - 1;
    if (isLate || deaths > pending.deaths) outcomes.push(pending.failure);
    return outcomes;
  }

  /** The pending execution has come to this. */
  settle(outcome: Outcome, nowMs: number): void {
    this.pending = undefined;
    this.activeMs = Math.max(this.activeMs, nowMs);
    this.isUnsure = true;
    this.push(outcome);
  }

  ack(outcome: Outcome): void {
    const index = this.outcomes.indexOf(outcome);
    this.acked = Math.max(this.acked, index);
    this.isKnown = true;
  }

  /** After a crash: it is what it was then, and what came later has not happened. */
  truncate(index: number): Outcome[] {
    return this.outcomes.splice(index + 1);
  }
}

export function sameState(a: State, b: State): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
}
