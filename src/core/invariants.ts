/**
 * What must hold of a shard's table between any two steps. Linear in the number of slots: for
 * tests, for the simulator and after a rebuild, never on a hot path.
 */
import { assert } from './assert.ts';
import { Header, Row, RowFlag, WHEEL_LISTS, WHEEL_WORDS } from './layout.ts';
import { sessionNumber } from './session-number.ts';
import type { SessionTable } from './session-table.ts';

export function checkInvariants(table: SessionTable): void {
  const { words, floats, slots } = table.arena;
  const highWater = words[Header.HIGH_WATER];
  assert(highWater >= 0 && highWater <= slots, 'the high water mark is within the slots');
  const free = countFree(table);
  let live = 0;
  let executing = 0;
  let expiring = 0;
  for (let slot = 0; slot < highWater; slot++) {
    const row = table.rowOf(slot);
    const flags = words[row + Row.FLAGS];
    const expires = (flags & RowFlag.LIVE) !== 0 && (flags & RowFlag.NEVER) === 0;
    assert(table.wheel.isLinked(slot) === expires, 'the wheel holds the sessions that can expire');
    if ((flags & RowFlag.LIVE) === 0) continue;
    live += 1;
    if (expires) expiring += 1;
    if ((flags & RowFlag.EXECUTING) !== 0) executing += 1;
    const id0 = words[row + Row.ID0];
    const id1 = words[row + Row.ID1];
    const id2 = words[row + Row.ID2];
    const id3 = words[row + Row.ID3];
    const found = table.index.find(table.hash(id0, id1, id2, id3), id0, id1, id2, id3);
    assert(found === slot, 'the index finds every live session in its slot');
    const session = sessionNumber(words[row + Row.SESSION_LOW], words[row + Row.SESSION_HIGH]);
    const commit = floats[(row + Row.COMMIT) >> 1];
    assert(session >= 1 && commit >= session, 'a commit is not before its session');
    assert(commit <= floats[Header.COMMITS / 2], 'no commit is above the counter');
    assert(words[row + Row.DATA_LENGTH] <= table.arena.dataBytesMax, 'data is within its limit');
    assert(words[row + Row.REPLY_LENGTH] <= table.arena.replyBytesMax, 'replies are bounded');
  }
  assert(live === words[Header.LIVE], 'the live count is the number of live rows');
  assert(executing === words[Header.EXECUTING], 'the executing count is that of pinned rows');
  assert(live + free === highWater, 'each used slot is either live or free');
  assert(live <= table.ledger.sessions(), 'the ledger counts every live session');
  assert(table.ledger.sessions() <= table.ledger.sessionsMax, 'the global limit holds');
  checkOrder(table, live);
  checkWheel(table, expiring);
}

function countFree(table: SessionTable): number {
  const { words, slots } = table.arena;
  let free = 0;
  for (let next = words[Header.FREE_HEAD]; next !== 0; free++) {
    assert(free < slots, 'the free list ends');
    const row = table.rowOf(next - 1);
    assert((words[row + Row.FLAGS] & RowFlag.LIVE) === 0, 'a free slot is not live');
    next = words[row + Row.ID0];
  }
  return free;
}

function checkOrder(table: SessionTable, live: number): void {
  const { words, floats } = table.arena;
  const order = table.order;
  let listed = 0;
  let commit = 0;
  let time = Number.NEGATIVE_INFINITY;
  let oldestFree = Number.POSITIVE_INFINITY;
  let slot = order.newerThan(order.sentinel);
  for (; slot !== order.sentinel; slot = order.newerThan(slot)) {
    assert(listed < live, 'the order lists each live session once');
    listed += 1;
    const row = table.rowOf(slot);
    const flags = words[row + Row.FLAGS];
    assert((flags & RowFlag.LIVE) !== 0, 'the order lists live sessions only');
    const next = floats[(row + Row.COMMIT) >> 1];
    assert(next > commit, 'commit numbers are distinct and rise along the order');
    assert(order.timeOf(slot) >= time, 'commit times do not fall along the order');
    commit = next;
    time = order.timeOf(slot);
    if ((flags & RowFlag.EXECUTING) === 0) oldestFree = Math.min(oldestFree, time);
  }
  assert(listed === live, 'the order lists every live session');
  const bound = table.ledger.boundOf(table.arena.shard);
  assert(bound <= oldestFree, 'the bound is never above the oldest candidate');
}

/** Each session that can expire is in exactly one list, and the links agree both ways. */
function checkWheel(table: SessionTable, expiring: number): void {
  const { words, slots, regions } = table.arena;
  const first = slots;
  let linked = 0;
  for (let list = first; list < first + WHEEL_LISTS; list++) {
    let before = list;
    let entry = regions.wheel + list * WHEEL_WORDS;
    for (let slot = words[entry + 1] - 1; slot !== list; slot = words[entry + 1] - 1) {
      assert(slot >= 0 && slot < slots, 'the lists of the wheel hold slots');
      assert(linked < expiring, 'the wheel holds each session once');
      entry = regions.wheel + slot * WHEEL_WORDS;
      assert(words[entry] - 1 === before, 'the links of the wheel agree both ways');
      linked += 1;
      before = slot;
    }
    const last = words[regions.wheel + list * WHEEL_WORDS] - 1;
    assert(last === before, 'a list of the wheel ends where it says');
  }
  assert(linked === expiring, 'the wheel holds every session that can expire');
}
