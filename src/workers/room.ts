/**
 * Room that is on its way: places of sessions that have ended, which go back to the ledger when
 * their end is on disk.
 */
import { Header } from '../core/layout.ts';
import type { Ledger } from '../core/ledger.ts';
import type { SessionTable } from '../core/session-table.ts';

/**
 * How many such places there are: so many registers that find no room should wait, and nobody needs
 * to be evicted or refused for them. 0 while a log cannot be written, as nobody knows for how long.
 */
export function placesComing(ledger: Ledger, shards: readonly { table: SessionTable }[]): number {
  if (!ledger.defers) return 0;
  let live = 0;
  for (const { table } of shards) {
    if (table.log?.isWritable === false) return 0;
    live += table.arena.words[Header.LIVE];
  }
  // Others change both meanwhile: then it is wrong for a moment, and whoever asks comes again.
  return Math.max(0, ledger.sessions() - live);
}
