/**
 * Undoes what a thread that was attached to the engine leaves behind when it ends: the shard it
 * may have been running, and the requests it had begun and not committed.
 */

import { ErrorCode } from '../core/codes.ts';
import { Header, Row, RowByte, RowFlag } from '../core/layout.ts';
import { rebuild } from '../core/recovery.ts';
import type { SessionTable } from '../core/session-table.ts';
import { ownerOf, release, tryAcquire } from '../workers/owner.ts';
import type { Router } from '../workers/router.ts';
import type { ShardPort } from '../workers/shard-port.ts';
import { messageOf } from '../workers/slot-message.ts';

/** Resolves when every shard was put right; one that somebody else runs is tried again. */
export async function reclaim(router: Router, runner: number): Promise<void> {
  for (const port of router.ports) {
    while (!reclaimShard(router, port, runner)) await nextTurn();
  }
}

function reclaimShard(router: Router, port: ShardPort, runner: number): boolean {
  const { table } = port;
  const { words } = table.arena;
  if (ownerOf(words) === runner) rebuild(table, runner);
  else if (!tryAcquire(words, table.runner)) return false;
  abortAll(router, port, runner);
  // An end that the thread had logged or begun may be what a register waits for.
  table.log?.buffer.publish();
  release(words);
  port.writeLog();
  return true;
}

/** Unpins what the thread was executing: nothing was committed. Who asked for it may ask again. */
function abortAll(router: Router, port: ShardPort, runner: number): void {
  const { table } = port;
  const { words } = table.arena;
  for (let slot = 0; slot < words[Header.HIGH_WATER]; slot++) {
    const flags = words[table.rowOf(slot) + Row.FLAGS];
    disconnectDoomed(router, table, slot);
    const isExecuting = (flags & RowFlag.LIVE) !== 0 && (flags & RowFlag.EXECUTING) !== 0;
    const executor = (flags >>> RowByte.RUNNER) & RowByte.MASK;
    if (!isExecuting || executor !== runner) continue;
    table.abort(slot);
    const m = messageOf(table, slot, 1);
    if (m.token !== 0) router.refuse(m, port, ErrorCode.SERVER_BUSY);
    disconnectDoomed(router, table, slot);
  }
}

/** Has a session ended whose connection has gone, if nothing executes on it any more. */
function disconnectDoomed(router: Router, table: SessionTable, slot: number): void {
  const flags = table.arena.words[table.rowOf(slot) + Row.FLAGS];
  const isDoomed = (flags & (RowFlag.DOOMED | RowFlag.EXECUTING)) === RowFlag.DOOMED;
  if (isDoomed) router.disconnect(messageOf(table, slot, 0));
}

function nextTurn(): Promise<void> {
  return new Promise(setImmediate);
}
