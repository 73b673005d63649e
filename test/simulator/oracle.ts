/**
 * The oracle of a simulated world: it sees every execution and every end of a session, works out
 * what each session must be, and says when the server does anything else.
 *
 * Where the guarantees allow several outcomes (an execution that is under way, a worker that died,
 * a crash) it keeps all of them until the memory or a reply shows which it was.
 */
import { Status } from '../../src/core/codes.ts';
import type { ServiceContext } from '../../src/services/context.ts';
import type { SessionIdentity } from '../../src/services/service.ts';
import { type Outcome, SessionModel, sameState } from './model.ts';
import type { Scheduler } from './scheduler.ts';
import {
  type Body,
  type OperationName,
  type ServiceListener,
  type State,
  stepped,
} from './service.ts';
import { Tally } from './tally.ts';

export class Violation extends Error {}

/** The clock of a table is ahead of the world's by its ticks. */
const TICKS_MS = 0.1;

/** The end of a session, and when it was. */
export interface Ending {
  readonly model: SessionModel;
  readonly steps: number;
  readonly nowMs: number;
  /** Deaths of workers before it. */
  readonly deaths: number;
}

interface OracleOptions {
  readonly sessionsMax: number;
  /** Places of the global limit that are taken now. */
  readonly taken: () => number;
  /** Workers that have died so far. */
  readonly deaths: () => number;
  readonly executeTimeoutMs: number;
  readonly onViolation: (violation: Violation) => void;
  readonly log: (line: string) => void;
}

export class Oracle implements ServiceListener {
  readonly tally = new Tally();
  readonly models = new Map<string, SessionModel>();
  /** The newest session of each client id. */
  readonly newest = new Map<string, SessionModel>();
  /** Which execution a nonce was for: each happens once. */
  readonly nonces = new Map<number, { model: SessionModel; outcome: Outcome }>();
  /** Sessions that ended a moment ago, whose clients must hear of it. */
  untold: Ending[] = [];
  /** What calls that change nothing were to answer. */
  readonly looks = new Map<number, { model: SessionModel; index: number; reply: string }>();

  /** Deaths of workers before the last time that all shards were compared. */
  deathsSeen = 0;

  constructor(
    readonly scheduler: Scheduler,
    readonly options: OracleOptions,
  ) {}

  static key(id: string, session: number): string {
    return `${id}/${session}`;
  }

  /** Says what must not be. Whoever called may catch what is thrown; it is noted first. */
  fail(what: string): never {
    const violation = new Violation(what);
    this.options.onViolation(violation);
    throw violation;
  }

  get live(): SessionModel[] {
    return [...this.newest.values()].filter((model) => model.isLive);
  }

  executes(name: OperationName, context: ServiceContext, body: Body, before: State): void {
    const model = this.#modelFor(name, context, before);
    const { last } = model;
    const what = `${name} ${context.request} with nonce ${body[0]} on ${model.name}`;
    this.options.log(`${what} at ${context.nowMs}`);
    if (!sameState(before, last.state)) {
      this.fail(`${what} began with ${before}, and not with ${last.state}`);
    }
    if (this.nonces.has(body[0]) || this.looks.has(body[0])) this.fail(`${what}: a second time`);
    const idleMs = context.nowMs - model.activeMs;
    // What executes holds its session, whose idle time begins when it ends.
    const isPinned = model.pending !== undefined;
    if (!isPinned && idleMs > model.ttlMs + model.slackMs + TICKS_MS) {
      this.fail(`${what}: idle for ${idleMs} ms, with a TTL of ${model.ttlMs}`);
    }
    if (name !== 'glance') {
      model.activeMs = Math.max(model.activeMs, context.nowMs);
      model.sureActiveMs = context.nowMs;
    }
    model.committedMs = context.nowMs;
    if (!context.sequenced) return this.#executesCall(name, model, body);
    this.tally.commits += 1;
    if (context.request !== last.request + 1) {
      this.fail(`${what}: after request ${last.request}`);
    }
    this.#executesRequest(name, model, context.request, body);
  }

  #modelFor(name: string, context: ServiceContext, before: State): SessionModel {
    const { id, session } = context;
    const model = this.modelOf(id, session, name);
    if (!model.isLive) this.fail(`${name} on ${model.name}, which is ${model.ended}`);
    if (this.newest.get(id) !== model) this.fail(`${name} on ${model.name}, which is not newest`);
    // What was under way may have come to its end in this very step.
    if (model.pending?.request === context.lastRequest) this.#settle(model, context, before);
    const isRead = name === 'look' || name === 'glance';
    if (model.pending !== undefined && !(isRead && !context.sequenced)) {
      this.fail(`${name} on ${model.name} while another executes`);
    }
    return model;
  }

  #settle(model: SessionModel, context: ServiceContext, before: State): void {
    const outcome = this.possible(model).find(({ state }) => sameState(state, before));
    if (outcome === undefined) return this.fail(`${model.name} settled as ${before}`);
    model.settle(outcome, context.nowMs);
  }

  #executesCall(name: OperationName, model: SessionModel, body: Body): void {
    const { last } = model;
    this.tally.calls += 1;
    if (name !== 'poke') {
      const reply = JSON.stringify([body[0], ...last.state]);
      this.looks.set(body[0], { model, index: model.outcomes.length - 1, reply });
      return;
    }
    const state = stepped(last.state, body, true);
    const { request, status } = last;
    const reply = JSON.stringify([body[0], ...state]);
    const atMs = this.scheduler.nowMs;
    const outcome = { request, state, nonce: body[0], status, reply, atMs, isCall: true };
    model.instead = { outcome: last, deaths: this.options.deaths() };
    model.push(outcome);
    this.nonces.set(body[0], { model, outcome });
  }

  #executesRequest(name: string, model: SessionModel, request: number, body: Body): void {
    const { state: before } = model.last;
    const [nonce] = body;
    const { nowMs } = this.scheduler;
    const failure = model.failureOf(request, nonce, before, nowMs);
    const outcome = { ...outcomeOf(name, request, body, before), atMs: nowMs };
    this.nonces.set(nonce, { model, outcome });
    if (name === 'wait' || name === 'hang') {
      model.pending = {
        request,
        success: name === 'wait' ? outcome : undefined,
        failure,
        beganMs: this.scheduler.nowMs,
        deaths: this.options.deaths(),
        isFinished: false,
      };
      return;
    }
    model.instead = { outcome: failure, deaths: this.options.deaths() };
    model.push(outcome);
  }

  /** What may have come of a session's execution by now. */
  possible(model: SessionModel): Outcome[] {
    const { deaths, executeTimeoutMs } = this.options;
    return model.possible(this.scheduler.nowMs, executeTimeoutMs, deaths());
  }

  /** The outcome that a session may have in place of its last, because a worker died. */
  insteadOf(model: SessionModel): Outcome | undefined {
    const { instead } = model;
    return instead !== undefined && this.options.deaths() > instead.deaths
      ? instead.outcome
      : undefined;
  }

  finished(context: ServiceContext): void {
    const { id, session, request } = context;
    const pending = this.models.get(Oracle.key(id, session))?.pending;
    if (pending?.request === request) pending.isFinished = true;
  }

  /** A session that must be known, unless the worker that opened it died before it said so. */
  modelOf(id: string, session: number, what: string): SessionModel {
    const model = this.models.get(Oracle.key(id, session));
    if (model !== undefined) return model;
    const maySo = this.options.deaths() > this.deathsSeen;
    if (!maySo) this.fail(`${what} on ${id}/${session}, which was not opened`);
    this.opened({ id, session });
    return this.models.get(Oracle.key(id, session))!;
  }

  opened({ id, session }: SessionIdentity): void {
    this.tally.registers += 1;
    const before = this.newest.get(id);
    if (before?.isLive === true) {
      // The worker that ended it may have died before it said so.
      const maySo = this.options.deaths() > this.deathsSeen;
      if (!maySo) this.fail(`${id} is opened again while ${before.name} is live`);
      before.ended = 'ended unseen';
    }
    if (before !== undefined && session <= before.session) {
      this.fail(`session ${session} of ${id} is not above ${before.session}`);
    }
    const model = new SessionModel(id, session, this.scheduler.nowMs);
    this.models.set(Oracle.key(id, session), model);
    this.options.log(`${model.name} is opened`);
    this.newest.set(id, model);
    const live = this.live.length;
    const isSure = this.options.deaths() === this.deathsSeen;
    if (isSure && live > this.options.sessionsMax) this.fail(`${live} sessions are live`);
  }

  ended({ id, session }: SessionIdentity, reason: string): void {
    const model = this.models.get(Oracle.key(id, session));
    if (model === undefined) return this.fail(`${id}/${session} ends, and was not opened`);
    this.options.log(`${model.name} is ${reason}`);
    if (!model.isLive) this.fail(`${model.name} is ${reason}, and was ${model.ended} before`);
    if (model.pending !== undefined && this.possible(model).length === 0) {
      this.fail(`${model.name} is ${reason} while it executes`);
    }
    const { steps, nowMs } = this.scheduler;
    const deaths = this.options.deaths();
    // Whoever asks for the end is answered, and need not be told beside that.
    const isPushed = reason === 'evicted' || reason === 'expired' || reason === 'removed';
    if (isPushed) this.untold.push({ model, steps, nowMs, deaths });
    if (reason === 'evicted') this.#evicted(model);
    if (reason === 'expired') this.#expired(model);
    model.ended = reason;
  }

  #evicted(victim: SessionModel): void {
    this.tally.evictions += 1;
    const { live } = this;
    const { sessionsMax, taken } = this.options;
    // Its own place has been given back already.
    if (taken() + 1 < sessionsMax) {
      this.fail(`${victim.name} is evicted with ${live.length} of ${sessionsMax} sessions live`);
    }
    for (const other of live) {
      if (other === victim || other.pending !== undefined || other.isUnsure) continue;
      if (other.committedMs < victim.committedMs - TICKS_MS) {
        const times = `${other.committedMs} and ${victim.committedMs}`;
        this.fail(`${victim.name} is evicted before ${other.name}, which is older: ${times}`);
      }
    }
  }

  #expired(model: SessionModel): void {
    this.tally.expiries += 1;
    const idleMs = this.scheduler.nowMs - model.sureActiveMs;
    if (idleMs + model.roundedMs + TICKS_MS < model.ttlMs && !model.isUnsure) {
      this.fail(`${model.name} expired after ${idleMs} ms, with a TTL of ${model.ttlMs}`);
    }
  }

  /** The server's memory is gone, and there is no journal. */
  forgetAll(): void {
    for (const model of this.live) model.ended = 'forgotten';
    for (const model of this.models.values()) model.pending = undefined;
    this.untold = [];
  }
}

function outcomeOf(
  name: string,
  request: number,
  body: Body,
  before: State,
): Omit<Outcome, 'atMs'> {
  const [nonce] = body;
  if (name === 'fail') {
    const reply = JSON.stringify(`nonce ${nonce}`);
    return { request, state: before, nonce, status: Status.FAILED, reply };
  }
  if (name === 'bloat') {
    return { request, state: before, nonce, status: Status.TOO_LARGE, reply: 'null' };
  }
  const isRead = name === 'look' || name === 'glance';
  const state = isRead ? before : stepped(before, body, false);
  return { request, state, nonce, status: Status.OK, reply: JSON.stringify([nonce, ...state]) };
}
