/**
 * Undoes what a thread that was attached to the engine leaves behind when it ends: the shard it
 * may have been running, and the requests it had begun and not committed.
 */

import { Header, Row, RowByte, RowFlag } from '../core/layout.ts';
import { rebuild } from '../core/recovery.ts';
import type { SessionTable } from '../core/session-table.ts';
import { ownerOf, release, tryAcquire } from '../workers/owner.ts';
import type { Router } from '../workers/router.ts';

/** A shard that somebody else runs at the moment is tried again in the next turn. */
export function reclaim(router: Router, runner: number): void {
  for (const port of router.ports) reclaimShard(port.table, runner);
}

function reclaimShard(table: SessionTable, runner: number): void {
  const { words } = table.arena;
  if (ownerOf(words) === runner) {
    // It died in the middle of a step.
    rebuild(table, runner);
    release(words);
    return;
  }
  if (!tryAcquire(words, table.runner)) {
    setImmediate(reclaimShard, table, runner);
    return;
  }
  abortAll(table, runner);
  release(words);
}

/** Unpins what the thread was executing. Nothing was committed, so the numbers are still free. */
function abortAll(table: SessionTable, runner: number): void {
  const { words } = table.arena;
  for (let slot = 0; slot < words[Header.HIGH_WATER]; slot++) {
    const flags = words[table.rowOf(slot) + Row.FLAGS];
    const isExecuting = (flags & RowFlag.LIVE) !== 0 && (flags & RowFlag.EXECUTING) !== 0;
    const executor = (flags >>> RowByte.RUNNER) & RowByte.MASK;
    if (isExecuting && executor === runner) table.abort(slot);
  }
}
