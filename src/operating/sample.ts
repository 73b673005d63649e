/**
 * What the history notes each second: a few counts, without the rest of the status.
 */
import { countsOf } from '../workers/read-status.ts';
import type { Router } from '../workers/router.ts';
import type { Counts } from '../workers/status.ts';
import type { Sample } from './history.ts';

/** In the order of the history's columns. */
const COUNTED: readonly (keyof Counts)[] = [
  'requests',
  'calls',
  'replays',
  'errors',
  'evicted',
  'expired',
];

export function sampleOf(router: Router): Sample {
  const { ports, meter, ledger } = router;
  const shards = ports.map(countsOf);
  const totals = COUNTED.map((name) => {
    const own = name === 'errors' ? meter.errors.reduce((sum, count) => sum + count, 0) : 0;
    return shards.reduce((sum, shard) => sum + shard[name], own);
  });
  return {
    timeMs: Date.now(),
    steadyMs: performance.now(),
    totals,
    sessions: ledger.live,
    connections: meter.server?.connections ?? 0,
    durations: meter.durations,
  };
}
