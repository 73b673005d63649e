/**
 * Room that is on its way: places of sessions that have ended, which go back to the ledger when
 * their end is on disk.
 */
import type { Ledger } from '../core/ledger.ts';
import type { SessionTable } from '../core/session-table.ts';

/**
 * How many such places there are: so many registers that find no room should wait, and nobody needs
 * to be evicted or refused for them. 0 while a log cannot be written, as nobody knows for how long.
 */
export function placesComing(ledger: Ledger, shards: readonly { table: SessionTable }[]): number {
  const { coming } = ledger;
  if (coming === 0) return 0;
  for (const { table } of shards) if (table.log?.isWritable === false) return 0;
  return coming;
}

/**
 * How many of them an eviction must leave alone.
 *
 * @param waiting registers that wait for one each
 */
export function placesClaimed(
  ledger: Ledger,
  shards: readonly { table: SessionTable }[],
  waiting: number,
): number {
  return placesComing(ledger, shards) === 0 ? ledger.coming : waiting;
}
