/**
 * Room that is on its way: places of sessions that have ended, which go back to the ledger when
 * their end is on disk.
 */
import { Header } from '../core/layout.ts';
import type { Ledger } from '../core/ledger.ts';
import type { SessionTable } from '../core/session-table.ts';

/**
 * Whether a register that finds no room should wait for such a place: nobody needs to be evicted
 * or refused for it. False while a log cannot be written, as nobody knows for how long.
 */
export function isRoomComing(ledger: Ledger, shards: readonly { table: SessionTable }[]): boolean {
  if (!ledger.defers) return false;
  let live = 0;
  for (const { table } of shards) {
    if (table.log?.isWritable === false) return false;
    live += table.arena.words[Header.LIVE];
  }
  // Others change both meanwhile: then it says so of a moment too long or too short, and whoever
  // asks comes again.
  return ledger.sessions() > live;
}
