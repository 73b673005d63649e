/**
 * Brings a shard's table back after the thread that ran it died at an arbitrary point: finishes or
 * forgets the step it was in, and builds index, order and free list anew from the rows.
 *
 * Only by the holder of the owner word. This is the one place in the core that allocates after
 * start; it runs once per death.
 */
import { assert } from './assert.ts';
import { Header, Row, RowByte, RowFlag } from './layout.ts';
import type { SessionTable } from './session-table.ts';

/** What was in execution on the dead runner. It is still pinned, and its number not consumed. */
export interface AbandonedRequest {
  readonly slot: number;
  /** The correlation, if it was a call that executed and no request. */
  readonly call: number | undefined;
  readonly frontEnd: number;
  readonly token: number;
}

/**
 * Rebuilds the table. Returns what the dead runner was executing, for the caller to commit or
 * abort: until then it stays pinned, so that a successor that dies too leaves it to the next.
 */
export function rebuild(table: SessionTable, deadRunner: number): AbandonedRequest[] {
  const { words, floats } = table.arena;
  table.redo();
  const highWater = words[Header.HIGH_WATER];
  const live: number[] = [];
  const abandoned: AbandonedRequest[] = [];
  table.index.clear();
  table.order.clear();
  table.wheel.clear();
  words[Header.FREE_HEAD] = 0;
  let executing = 0;
  for (let slot = highWater - 1; slot >= 0; slot--) {
    const row = table.rowOf(slot);
    const flags = words[row + Row.FLAGS];
    if ((flags & RowFlag.LIVE) === 0) {
      table.pool.give(slot);
      continue;
    }
    live.push(slot);
    if ((flags & RowFlag.EXECUTING) === 0) continue;
    executing += 1;
    if (((flags >>> RowByte.RUNNER) & RowByte.MASK) !== deadRunner) continue;
    const frontEnd = (flags >>> RowByte.FRONT_END) & RowByte.MASK;
    const call = (flags & RowFlag.CALL) !== 0 ? words[row + Row.EXECUTING_LOW] : undefined;
    abandoned.push({ slot, call, frontEnd, token: words[row + Row.TOKEN] });
  }
  words[Header.EXECUTING] = executing;
  placeByCommit(table, live);
  for (const slot of live) table.log?.catchUp(slot);
  const surplus = words[Header.LIVE] - live.length;
  assert(surplus >= 0 && surplus <= 1, 'a dead runner leaves at most one session half admitted');
  // In the order of `end`: a successor that dies in between finds the surplus again or not at all.
  if (surplus > 0) table.ledger.give(surplus);
  words[Header.LIVE] = live.length;
  floats[Header.BOUND / 2] = Number.NEGATIVE_INFINITY;
  table.ledger.publish(table.arena.shard, Number.NEGATIVE_INFINITY);
  return abandoned;
}

function placeByCommit(table: SessionTable, live: number[]): void {
  const { words, floats } = table.arena;
  const commitOf = (slot: number): number => floats[(table.rowOf(slot) + Row.COMMIT) >> 1];
  live.sort((a, b) => commitOf(a) - commitOf(b));
  for (const slot of live) {
    const row = table.rowOf(slot);
    const hash = table.hash(
      words[row + Row.ID0],
      words[row + Row.ID1],
      words[row + Row.ID2],
      words[row + Row.ID3],
    );
    table.index.insert(hash, slot);
    // The entry's time is the slot's own and survived; only the links are made anew. The commit
    // that `redo` finished is the newest, and its time is the one it intended.
    const isNewest = commitOf(slot) === floats[Header.COMMITS / 2];
    const time = isNewest ? floats[Header.COMMIT_TIME / 2] : table.order.timeOf(slot);
    table.order.append(slot, time);
    if ((words[row + Row.FLAGS] & RowFlag.NEVER) === 0) table.wheel.schedule(slot);
  }
}
