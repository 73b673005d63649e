/**
 * Compares the server's memory with what the oracle knows: after each step, for the shards that
 * nobody holds, and after a start, when the sessions have come back from disk.
 */
import { clientIdText } from '../../src/core/client-id.ts';
import type { Status } from '../../src/core/codes.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { Row, RowFlag } from '../../src/core/layout.ts';
import { TOUCH_LOG_PARTS, TTL_NEVER } from '../../src/core/limits.ts';
import { sessionNumber } from '../../src/core/session-number.ts';
import type { SessionTable } from '../../src/core/session-table.ts';
import { decodeValue } from '../../src/services/values.ts';
import { ownerOf } from '../../src/workers/owner.ts';
import { dataOf, orderOf, statusOf } from '../core/helpers.ts';
import { type Outcome, type SessionModel, sameState } from './model.ts';
import { Oracle } from './oracle.ts';
import type { State } from './service.ts';

interface SessionRow {
  readonly id: string;
  readonly session: number;
  readonly request: number;
  readonly status: Status;
  readonly state: State;
  readonly isExecuting: boolean;
  readonly isScoped: boolean;
  readonly ttlMs: number;
  readonly committedMs: number;
}

function rowOf(table: SessionTable, slot: number): SessionRow {
  const { words } = table.arena;
  const row = table.rowOf(slot);
  const id = clientIdText(
    words[row + Row.ID0],
    words[row + Row.ID1],
    words[row + Row.ID2],
    words[row + Row.ID3],
  );
  const flags = words[row + Row.FLAGS];
  const data = dataOf(table, slot);
  const ttlMs = words[row + Row.TTL_MS] >>> 0;
  return {
    id,
    session: sessionNumber(words[row + Row.SESSION_LOW], words[row + Row.SESSION_HIGH]),
    request: words[row + Row.REQUEST] >>> 0,
    status: statusOf(table, slot),
    state: data.length === 0 ? [0, 0, 0, ''] : (decodeValue(data) as State),
    isExecuting: (flags & RowFlag.EXECUTING) !== 0,
    isScoped: (flags & RowFlag.CONNECTION) !== 0,
    ttlMs: ttlMs === TTL_NEVER ? Number.POSITIVE_INFINITY : ttlMs,
    committedMs: table.order.timeOf(slot),
  };
}

/** Times of a log are whole milliseconds, and a table's clock is ahead by its ticks. */
const ROUNDED_MS = 3;

/** A thread that is kept from running in the middle of a turn goes on with the time it had read. */
const STALE_MS = 200;

export class Rows {
  /** How many sessions a start may have evicted that somebody was told of. */
  #mayMiss = 0;

  constructor(readonly oracle: Oracle) {}

  /** Between two steps. Shards that somebody holds, or a dead worker held, are left out. */
  check(tables: readonly SessionTable[]): void {
    const seen = new Set<SessionModel>();
    let areAllFree = true;
    for (const table of tables) {
      if (ownerOf(table.arena.words) !== 0) {
        areAllFree = false;
        continue;
      }
      checkInvariants(table);
      for (const slot of orderOf(table)) seen.add(this.#checkRow(rowOf(table, slot)));
    }
    if (!areAllFree) return;
    const deaths = this.oracle.options.deaths();
    for (const model of this.oracle.live) {
      if (seen.has(model)) continue;
      if (deaths === this.oracle.deathsSeen)
        this.oracle.fail(`${model.name} is not there any more`);
      // The worker that ended it died before it said so.
      model.ended = 'ended unseen';
    }
    this.oracle.deathsSeen = deaths;
  }

  /** All connections have ended, and with them what was bound to one, unless it executes yet. */
  checkUnbound(tables: readonly SessionTable[]): void {
    for (const table of tables) {
      for (const slot of orderOf(table)) {
        const { isScoped, isExecuting, id, session } = rowOf(table, slot);
        if (isScoped && !isExecuting) this.oracle.fail(`${id}/${session} outlives its connection`);
      }
    }
  }

  #checkRow(row: SessionRow): SessionModel {
    const model = this.#modelOf(row);
    const { last } = model;
    model.ttlMs = row.ttlMs;
    model.ttlLeastMs = Math.min(model.ttlLeastMs, row.ttlMs);
    model.isScoped = row.isScoped;
    const settled = this.oracle.possible(model).find((outcome) => matches(row, outcome));
    if (settled !== undefined && !row.isExecuting) {
      model.settle(settled, row.committedMs);
    } else if (!matches(row, last)) {
      const instead = this.oracle.insteadOf(model);
      if (instead === undefined || !matches(row, instead)) {
        const is = JSON.stringify(row);
        this.oracle.fail(`${model.name} is ${is}, and should be ${JSON.stringify(last)}`);
      }
      model.outcomes.pop();
      if (!model.outcomes.includes(instead)) model.push(instead);
      model.instead = undefined;
    } else model.instead = undefined;
    if (model.pending !== undefined && !row.isExecuting) {
      this.oracle.fail(`${model.name} is not pinned while it executes`);
    }
    const slackMs = model.isUnsure ? STALE_MS + this.oracle.scheduler.recentJumpMs : ROUNDED_MS;
    if (row.committedMs < model.committedMs - slackMs && !row.isExecuting) {
      const times = `${row.committedMs}, before ${model.committedMs}`;
      this.oracle.fail(`${model.name} stands in the order at ${times}`);
    }
    model.committedMs = row.committedMs;
    if (model.isUnsure && model.pending === undefined) {
      model.activeMs = row.committedMs;
      model.sureActiveMs = row.committedMs;
    }
    model.isUnsure = false;
    return model;
  }

  #modelOf({ id, session }: SessionRow): SessionModel {
    const model = this.oracle.modelOf(id, session, 'a row');
    if (model.isLive) return model;
    return this.oracle.fail(`${id}/${session} is in the table, and ${model.ended}`);
  }

  /**
   * After a start from disk. What each session is now must be something that it was, and nothing
   * that anybody was told may be missing.
   *
   * @param isExact every acknowledged state must be there, because answers waited for the disk
   * @param evicted so many sessions that the start has evicted to hold the limit, where the end
   *     that made a place was lost and the register that took it was not
   */
  reconcile(
    tables: readonly SessionTable[],
    isExact: boolean,
    isStopped: boolean,
    evicted: number,
  ): number {
    const { oracle } = this;
    this.#mayMiss = evicted;
    const found = new Set<SessionModel>();
    for (const table of tables) {
      for (const slot of orderOf(table)) {
        const row = rowOf(table, slot);
        const model = oracle.models.get(Oracle.key(row.id, row.session));
        if (model === undefined) return oracle.fail(`${row.id} is recovered, and never was`);
        this.#recovered(model, row, isExact, isStopped);
        found.add(model);
      }
    }
    for (const model of oracle.models.values()) {
      if (found.has(model)) continue;
      if (model.isLive) this.#missing(model, isExact || isStopped);
      model.pending = undefined;
    }
    return found.size;
  }

  #recovered(model: SessionModel, row: SessionRow, isExact: boolean, isStopped: boolean): void {
    const { oracle } = this;
    if (model.endAcked && (isExact || isStopped)) {
      oracle.fail(`${model.name} is back, and its client was told that it is ${model.ended}`);
    }
    const { pending, instead } = model;
    for (const outcome of [pending?.success, pending?.failure, instead?.outcome]) {
      if (outcome !== undefined && !model.outcomes.includes(outcome)) model.push(outcome);
    }
    let index = model.outcomes.length - 1;
    while (index >= 0 && !matches(row, model.outcomes[index])) index -= 1;
    if (index < 0) oracle.fail(`${model.name} is recovered as ${JSON.stringify(row)}`);
    if (isExact && index < model.acked) {
      const told = JSON.stringify(model.outcomes[model.acked]);
      oracle.fail(`${model.name} is recovered as ${JSON.stringify(row)}, after ${told} was told`);
    }
    if (isStopped && index < model.acked) oracle.fail(`${model.name} lost what a stop must keep`);
    for (const lost of model.truncate(index)) oracle.nonces.delete(lost.nonce);
    model.acked = Math.min(model.acked, index);
    model.pending = undefined;
    model.instead = undefined;
    model.ended = '';
    model.endAcked = false;
    const newer = oracle.newest.get(model.id);
    if (newer !== undefined && newer.session > model.session && newer.isKnown && isExact) {
      oracle.fail(`${model.name} is back, and ${newer.name} was told of`);
    }
    oracle.newest.set(model.id, model);
    model.ttlMs = row.ttlMs;
    model.slackMs = row.ttlMs / TOUCH_LOG_PARTS + ROUNDED_MS;
    model.roundedMs += ROUNDED_MS;
    model.sureActiveMs = Math.min(model.sureActiveMs, model.last.atMs);
    model.committedMs = row.committedMs;
  }

  /** A session that is not there must have ended, or may have. */
  #missing(model: SessionModel, isExact: boolean): void {
    // What was not told of may be lost, also what had prolonged it.
    const { atMs } = model.outcomes[model.acked];
    const idleMs = this.oracle.scheduler.nowMs - atMs;
    const mayHaveExpired = idleMs + ROUNDED_MS > model.ttlLeastMs;
    if (isExact && model.isKnown && !model.isScoped && !mayHaveExpired) {
      this.#mayMiss -= 1;
      if (this.#mayMiss < 0) this.oracle.fail(`${model.name} is not recovered, and was told of`);
    }
    model.ended = 'lost';
  }
}

function matches(row: SessionRow, outcome: Outcome): boolean {
  if (row.request !== outcome.request || !sameState(row.state, outcome.state)) return false;
  return row.status === outcome.status;
}
