/**
 * A table and its naive model in lockstep: each step runs on both, every answer is compared, then
 * everything the table holds. Two views of the table, with different runners, take turns, so all
 * state must lie in the arena.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import { Arena } from '../../src/core/arena.ts';
import { ERROR_NAMES, REASON_NAMES, Reason, Verdict } from '../../src/core/codes.ts';
import { Counter, Header, Row, RowFlag } from '../../src/core/layout.ts';
import { Ledger } from '../../src/core/ledger.ts';
import { TTL_NEVER } from '../../src/core/limits.ts';
import { CloseFlag, Kind } from '../../src/core/message.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import * as h from './helpers.ts';
import { NaiveModel } from './naive-model.ts';

export interface Step {
  kind:
    | 'register'
    | 'request'
    | 'settle'
    | 'call'
    | 'close'
    | 'evict'
    | 'clock'
    | 'sweep'
    | 'orphan'
    | 'reap';
  id: number;
  /** Which of the two views takes the step; the runner of a begin. */
  view: number;
  /** The session number beside the live one (or the last one known). */
  apart: number;
  /** The request number beside the last committed one. */
  ahead: number;
  operation: number;
  body: string;
  payload: string;
  writes: boolean;
  /** Leaves a request pinned; of a settle, aborts; of a call, touches nothing. */
  other: boolean;
  ttlMs: number | undefined;
  /** Of a commit: whether it touches, and the TTL that it sets; -1 = none. */
  touches: boolean;
  newTtlMs: number;
  /** Of a register. */
  rate: readonly [number, number] | null;
  cost: number;
  delayMs: number;
}

/** Mostly the ordinary case, now and then each of the odd ones. */
export const arbitraryStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 4, arbitrary: fc.constant<Step['kind']>('register') },
    { weight: 12, arbitrary: fc.constant<Step['kind']>('request') },
    { weight: 2, arbitrary: fc.constant<Step['kind']>('settle') },
    { weight: 2, arbitrary: fc.constant<Step['kind']>('call') },
    { weight: 1, arbitrary: fc.constant<Step['kind']>('close') },
    { weight: 2, arbitrary: fc.constant<Step['kind']>('evict') },
    { weight: 3, arbitrary: fc.constant<Step['kind']>('clock') },
    { weight: 2, arbitrary: fc.constant<Step['kind']>('sweep') },
    { weight: 1, arbitrary: fc.constant<Step['kind']>('orphan') },
    { weight: 1, arbitrary: fc.constant<Step['kind']>('reap') },
  ),
  id: fc.constantFrom(1, 1, 1, 2, 2, 3, 4, 5, 6),
  view: fc.integer({ min: 0, max: 1 }),
  apart: fc.constantFrom(0, 0, 0, 0, 0, 0, -1, 1),
  ahead: fc.constantFrom(1, 1, 1, 1, 0, 0, -1, 2),
  operation: fc.constantFrom(1, 1, 1, 2),
  body: fc.constantFrom('a', 'a', 'a', 'a', '', 'longer body'),
  payload: fc.string({ maxLength: 20 }),
  writes: fc.boolean(),
  other: fc.boolean(),
  ttlMs: fc.constantFrom(undefined, undefined, 0, 5, 30, 100, 600, TTL_NEVER),
  touches: fc.constantFrom(true, true, true, false),
  newTtlMs: fc.constantFrom(-1, -1, -1, -1, -1, 0, 5, 30, 700, TTL_NEVER),
  rate: fc.constantFrom(null, null, null, [3, 1] as const, [100, 2] as const, [1000, 3] as const),
  cost: fc.constantFrom(1, 1, 1, 1, 0, 2, 3),
  delayMs: fc.constantFrom(0, 0.25, 1, 1, 5, 6, 30, 200, 600, -3),
});

export class Lockstep {
  /** The number of the last session of each id, live or not. */
  readonly known = new Map<number, number>();
  #token = 0;

  constructor(
    readonly views: readonly SessionTable[],
    readonly model: NaiveModel,
  ) {}

  /** The same state again, apart from this one, with tables made by `view` over copied memory. */
  fork(view: (arena: Arena, ledger: Ledger, runner: number) => SessionTable): Lockstep {
    const { arena, ledger, now } = this.views[0];
    const copied = new Arena(copyOf(arena.memory));
    const counted = new Ledger(copyOf(ledger.memory));
    const views = this.views.map(({ runner }) => view(copied, counted, runner));
    for (const table of views) table.now[0] = now[0];
    const twin = new Lockstep(views, this.model.copy());
    for (const [id, session] of this.known) twin.known.set(id, session);
    twin.#token = this.#token;
    return twin;
  }

  /** Takes one step on table and model, and compares the answers. */
  run(step: Step): void {
    const table = this.views[step.view];
    this.#token += 1;
    if (step.kind === 'clock') this.#advance(step.delayMs);
    else if (step.kind === 'register') this.#register(table, step);
    else if (step.kind === 'request') this.#request(table, step);
    else if (step.kind === 'settle') this.#settle(table, step);
    else if (step.kind === 'call') this.#call(table, step);
    else if (step.kind === 'close') this.#close(table, step);
    else if (step.kind === 'sweep') this.#sweep(table, step);
    else if (step.kind === 'orphan') this.#orphan(table, step);
    else if (step.kind === 'reap') this.#reap(table);
    else this.#evict(table, step);
  }

  #advance(delayMs: number): void {
    this.model.now = Math.max(0, this.model.now + delayMs);
    this.views[0].now[0] = this.model.now;
  }

  #register(table: SessionTable, { id, ttlMs, rate }: Step): void {
    const token = this.#token;
    const own = rate === null ? {} : { rate };
    const fields = ttlMs === undefined ? { id, token, ...own } : { id, token, ttlMs, ...own };
    const admission = h.ADMISSIONS[h.register(table, fields)];
    expect(admission).toBe(this.model.register(id, ttlMs, token, rate));
    const live = this.model.sessions.get(id);
    if (live === undefined) return;
    this.known.set(id, live.session);
    expect(h.sessionOf(table, table.slot)).toBe(live.session);
    expect(h.idOf(table, table.slot)).toBe(id);
  }

  #request(table: SessionTable, step: Step): void {
    const { id, body, operation, cost } = step;
    const token = this.#token;
    const session = (this.known.get(id) ?? 1) + step.apart;
    const last = this.model.sessions.get(id)?.request ?? 0;
    const request = Math.max(0, last + step.ahead);
    const m = h.message(table, { id, session, request, body, operation, token, cost });
    const verdict = table.begin(m);
    if (verdict === Verdict.EXECUTE) table.pay(table.slot, m);
    const asked = `${operation} ${body}`;
    const expected = this.model.begin(id, session, request, asked, token, table.runner, cost);
    expect(h.named(table, verdict)).toBe(expected);
    this.#compareWait(table, expected, step);
    if (verdict === Verdict.REPLAY) {
      expect(h.text(h.replyOf(table, table.slot))).toBe(this.model.sessions.get(id)!.reply);
    }
    if (verdict !== Verdict.EXECUTE || step.other) return;
    expect(h.idOf(table, table.slot)).toBe(id);
    this.#commit(table, table.slot, step);
  }

  /** Commits or aborts a request that an earlier step left pinned, through either view. */
  #settle(table: SessionTable, step: Step): void {
    const pinned = this.model.order.filter((id) => this.model.sessions.get(id)!.executing !== null);
    if (pinned.length === 0) return;
    const id = pinned[step.id % pinned.length];
    const slot = h.orderOf(table).find((at) => h.idOf(table, at) === id)!;
    if (!step.other) return this.#commit(table, slot, { ...step, id });
    table.abort(slot);
    this.model.abort(id);
  }

  #compareWait(table: SessionTable, verdict: string, { id, cost }: Step): void {
    if (verdict !== 'error rate_limited') return;
    expect(table.retryAfterMs).toBe(this.model.retryAfter(this.model.sessions.get(id)!, cost));
    this.model.counted.rate_limited = (this.model.counted.rate_limited ?? 0) + 1;
  }

  #commit(table: SessionTable, slot: number, step: Step): void {
    const { id, payload, writes, operation, touches, newTtlMs } = step;
    const data = writes ? `data ${payload}` : undefined;
    h.commit(table, slot, payload, data, operation, touches, newTtlMs);
    this.model.commit(id, payload, data, operation, touches, newTtlMs);
  }

  #call(table: SessionTable, step: Step): void {
    const { id, payload, other, cost, newTtlMs } = step;
    const m = h.message(table, { id, kind: Kind.CALL, cost });
    const verdict = h.named(table, table.beginCall(m));
    expect(verdict).toBe(this.model.beginCall(id, cost));
    this.#compareWait(table, verdict, step);
    if (verdict !== 'execute') return;
    table.pay(table.slot, m);
    const writes = step.writes && !table.isExecuting(table.slot);
    const data = writes ? `call ${payload}` : undefined;
    h.commitCall(table, table.slot, data, !other, newTtlMs);
    this.model.commitCall(id, data, !other, newTtlMs);
  }

  #close(table: SessionTable, step: Step): void {
    const { id, other } = step;
    const session = other ? 0 : (this.known.get(id) ?? 1) + step.apart;
    const verdict = table.close(h.message(table, { id, session, kind: Kind.CLOSE }));
    const before = this.model.sessions.size;
    expect(h.named(table, verdict)).toBe(this.model.close(id, session));
    if (this.model.sessions.size < before) this.#compareEnded(table);
  }

  /** Ends at most one session that has expired: which one, the wheel chooses. */
  #sweep(table: SessionTable, step: Step): void {
    table.wheel.advance();
    if (!table.sweep(step.other ? 1 : 100)) return;
    const live = this.model.sessions.get(table.ended.id3);
    expect(live !== undefined && this.model.isExpired(live)).toBe(true);
    this.model.end(live!, 'expired');
    this.#compareEnded(table);
    this.model.counted.swept = (this.model.counted.swept ?? 0) + 1;
  }

  #orphan(table: SessionTable, { id, apart }: Step): void {
    const session = Math.max(0, (this.known.get(id) ?? 1) + apart);
    const flags = CloseFlag.DISCONNECTED;
    const verdict = table.close(h.message(table, { id, session, kind: Kind.CLOSE, flags }));
    const before = this.model.sessions.size;
    expect(h.named(table, verdict)).toBe(this.model.orphan(id, session));
    if (this.model.sessions.size < before) this.#compareEnded(table);
  }

  #reap(table: SessionTable): void {
    for (const slot of h.orderOf(table)) {
      const id = h.idOf(table, slot);
      const isReaped = table.reap(slot);
      expect(isReaped).toBe(this.model.reap(id));
      // One at a time, so that a death leaves it done or not.
      if (isReaped) return this.#compareEnded(table);
    }
  }

  /** Long after: what can expire is found by the wheel, and nothing else ends. */
  sweepAll(): void {
    const [table] = this.views;
    this.#advance(2 ** 33);
    table.wheel.advance();
    while (table.sweep(1_000)) this.model.end(this.model.sessions.get(table.ended.id3)!, 'expired');
    expect([...this.model.sessions.values()].filter((live) => this.model.isExpired(live))).toEqual(
      [],
    );
    this.compare();
  }

  #evict(table: SessionTable, step: Step): void {
    const limitMs = step.other ? this.model.now - 10 : Number.POSITIVE_INFINITY;
    const answer = h.EVICTIONS[table.evictOldest(limitMs)];
    expect(answer).toBe(this.model.evictOldest(limitMs));
    if (answer === 'evicted') this.#compareEnded(table);
    // Whatever it answered, it leaves the bound exact.
    const left = this.model.victim()?.committedAt ?? Number.POSITIVE_INFINITY;
    expect(table.ledger.boundOf(0)).toBe(left);
  }

  #compareEnded(table: SessionTable): void {
    const { id3, sessionLow, token, reason } = table.ended;
    expect(`${id3} ${sessionLow} ${token} ${REASON_NAMES[reason]}`).toBe(this.model.lastEnded);
  }

  /** Compares everything that the table holds with the model. */
  compare(table: SessionTable = this.views[0]): void {
    expect(tableState(table)).toEqual(modelState(this.model));
    expect(h.liveCount(table)).toBe(this.model.sessions.size);
    expect(table.ledger.sessions()).toBe(this.model.sessions.size);
  }

  /** Compares the table's counters with what the model counted. */
  compareCounters(): void {
    const { floats } = this.views[0].arena;
    const count = (counter: number): number => floats[Header.COUNTERS / 2 + counter];
    const { counted } = this.model;
    expect(count(Counter.REGISTERED)).toBe(counted.registered ?? 0);
    expect(count(Counter.RESUMED)).toBe(counted.resumed ?? 0);
    expect(count(Counter.REQUESTS)).toBe(counted.requests ?? 0);
    expect(count(Counter.CALLS)).toBe(counted.calls ?? 0);
    expect(count(Counter.REPLAYS)).toBe(counted.replays ?? 0);
    for (const [code, name] of ERROR_NAMES.entries()) {
      expect([name, count(Counter.ERRORS + code)]).toEqual([name, counted[`error ${name}`] ?? 0]);
    }
    expect(count(Counter.ENDED + Reason.EVICTED)).toBe(counted.evicted ?? 0);
    expect(count(Counter.ENDED + Reason.EXPIRED)).toBe(counted.expired ?? 0);
    expect(count(Counter.ENDED + Reason.CLOSED)).toBe(counted.closed ?? 0);
    expect(count(Counter.ENDED + Reason.DISCONNECTED)).toBe(counted.disconnected ?? 0);
  }
}

/** A new table of two views (runners 1 and 2) beside a new model. */
export function makeLockstep(slots: number, sessionsMax: number): Lockstep {
  const limits = { slots, sessionsMax, ttlDefaultMs: 20 };
  const first = h.makeTable({ ...limits, dataBytesMax: 60, replyBytesMax: 61, runner: 1 });
  const second = new SessionTable(first.arena, first.ledger, first.now, 2);
  const endedEntryOf = (id: number): number => first.hash(...h.idWords(id)) & first.arena.endedMask;
  return new Lockstep([first, second], new NaiveModel({ ...limits, endedEntryOf }));
}

export function copyOf(memory: SharedArrayBuffer): SharedArrayBuffer {
  const copy = new SharedArrayBuffer(memory.byteLength);
  new Uint8Array(copy).set(new Uint8Array(memory));
  return copy;
}

/** What a session holds, as one line; the list is in commit order. */
export function tableState(table: SessionTable): string[] {
  const { words, floats } = table.arena;
  return h.orderOf(table).map((slot) => {
    const row = table.rowOf(slot);
    const never = words[row + Row.TTL_MS] >>> 0 === TTL_NEVER;
    const deadline = floats[(row + Row.DEADLINE) / 2];
    const held = [
      `id ${h.idOf(table, slot)} session ${h.sessionOf(table, slot)}`,
      `request ${h.requestOf(table, slot)} status ${h.statusOf(table, slot)}`,
      `commit ${floats[(row + Row.COMMIT) / 2]} at ${table.order.timeOf(slot)}`,
      `active ${never ? deadline : deadline - (words[row + Row.TTL_MS] >>> 0)}`,
      `version ${floats[(row + Row.VERSION) / 2]} token ${words[row + Row.TOKEN]}`,
      table.isExecuting(slot) ? `runs on ${words[row + Row.FLAGS] >>> 24}` : 'idle',
      (words[row + Row.FLAGS] & RowFlag.DOOMED) !== 0 ? 'doomed' : '',
      `ttl ${words[row + Row.TTL_MS] >>> 0}`,
      `reply ${h.text(h.replyOf(table, slot))} data ${h.text(h.dataOf(table, slot))}`,
    ];
    return held.join(', ');
  });
}

export function modelState(model: NaiveModel): string[] {
  return model.order.map((id) => {
    const live = model.sessions.get(id)!;
    const held = [
      `id ${id} session ${live.session}`,
      `request ${live.request} status ${live.status}`,
      `commit ${live.commit} at ${live.committedAt}`,
      `active ${live.activeAt}`,
      `version ${live.version} token ${live.token}`,
      live.executing === null ? 'idle' : `runs on ${live.executing.runner}`,
      live.doomed ? 'doomed' : '',
      `ttl ${live.ttlMs}`,
      `reply ${live.reply} data ${live.data}`,
    ];
    return held.join(', ');
  });
}
