/**
 * `npm run bench:tcp`: requests per second over loopback TCP, beside Redis under the same load.
 * See bench/README.md for the options.
 */
import { parseArgs } from 'node:util';
import { installedVersion, machine, markdownTable, writeResults } from './lib/report.ts';
import { pairedRatio, summarize } from './lib/stats.ts';
import { stopAll } from './load/children.ts';
import type { Operation, Shape } from './load/job.ts';
import { runJob } from './load/run-job.ts';
import { startRedis, startSessile, type Target } from './load/servers.ts';

const WARM_UP_MS = 1_000;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string', multiple: true, default: ['50x1', '50x16', '50x100', '1x1000'] },
    run: { type: 'string', default: 'auto' },
    operation: { type: 'string', default: 'echo' },
    'no-redis': { type: 'boolean', default: false },
    profile: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const windowMs = Number(values.seconds) * 1e3;
const operation = operationOf(values.operation);

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:tcp: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
} finally {
  await stopAll();
}
