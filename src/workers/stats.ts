/**
 * The counts of an engine in short: what `stats` answers. `EngineStatus` has all of them.
 */
import { countsOf, sum, sweepLagMs } from './read-status.ts';
import type { Router } from './router.ts';
import type { Counts } from './status.ts';

/** Counts since the start, over all shards, and what is live now. */
export interface EngineStats {
  readonly sessions: number;
  readonly sessionsMax: number;
  readonly shards: number;
  readonly executing: number;
  readonly commits: number;
  readonly registered: number;
  readonly resumed: number;
  readonly requests: number;
  readonly calls: number;
  readonly replays: number;
  readonly errors: number;
  readonly evicted: number;
  readonly expired: number;
  readonly closed: number;
  readonly disconnected: number;
  readonly removed: number;
  /** How long ago the shard that is furthest behind last looked for expired sessions. */
  readonly sweepLagMs: number;
}

export function statsOf(router: Router): EngineStats {
  const { ports, ledger, clock } = router;
  clock.read();
  const shards = ports.map(countsOf);
  const total = (name: keyof Counts): number => sum(shards, (shard) => shard[name]);
  return {
    sessions: ledger.live,
    sessionsMax: ledger.sessionsMax,
    shards: ports.length,
    executing: sum(ports, (port) => port.pinned),
    commits: total('commits'),
    registered: total('registered'),
    resumed: total('resumed'),
    requests: total('requests'),
    calls: total('calls'),
    replays: total('replays'),
    errors: total('errors'),
    evicted: total('evicted'),
    expired: total('expired'),
    closed: total('closed'),
    disconnected: total('disconnected'),
    removed: total('removed'),
    sweepLagMs: Math.max(...ports.map((port) => sweepLagMs(port, clock.cell[0]))),
  };
}
