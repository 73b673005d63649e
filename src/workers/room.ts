/**
 * Room that is on its way: places of sessions that have ended, which go back to the ledger when
 * their end is on disk.
 */
import type { Ledger } from '../core/ledger.ts';
import type { SessionTable } from '../core/session-table.ts';

/**
 * How many such places there are: so many registers that find no room should wait, and none of them
 * needs to be refused. 0 while a log cannot be written, as nobody knows for how long.
 */
export function placesComing(ledger: Ledger, shards: readonly { table: SessionTable }[]): number {
  const { coming } = ledger;
  if (coming === 0) return 0;
  for (const { table } of shards) if (table.log?.isWritable === false) return 0;
  return coming;
}
