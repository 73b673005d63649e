/**
 * `npm run bench:tcp`: requests per second over loopback TCP, beside Redis under the same load.
 * See bench/README.md for the options.
 */
import { parseArgs } from 'node:util';
import { VERSION } from '../dist/version.js';
import { machine, markdownTable, writeResults } from './lib/report.ts';
import { median, pairedRatio, summarize } from './lib/stats.ts';
import { stopAll } from './load/children.ts';
import type { Operation, Shape } from './load/job.ts';
import { nameOf, runPlan, type Series } from './load/schedule.ts';
import { startRedis, startSessile, type Target } from './load/servers.ts';

/** Long enough for the servers' compilers and for the loop to settle. */
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
    durability: { type: 'string' },
  },
});

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:tcp: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
} finally {
  await stopAll();
}

async function main(): Promise<void> {
  const shapes = values.only.map(shapeOf);
  const operation = operationOf(values.operation);
  const rounds = positive('rounds', values.rounds);
  const windowMs = positive('seconds', values.seconds) * 1e3;
  const { run, profile, durability } = values;
  const targets = [await startSessile({ version: VERSION, run, profile, durability })];
  const redis = values['no-redis'] ? undefined : await startRedis(durability);
  if (redis !== undefined) targets.push(redis);
  else if (!values['no-redis']) console.log('skipped: redis-server is not installed\n');
  const plan = { targets, shapes, rounds, operation, warmUpMs: WARM_UP_MS, windowMs };
  const series = await runPlan(plan);
  const kept = durability === undefined ? 'in memory' : `durability ${durability}`;
  const how = `run ${run}, operation ${operation}, ${kept}, median of ${rounds} rounds`;
  print(targets, shapes, series, how);
  const versions = Object.fromEntries(targets.map(({ name, version }) => [name, version]));
  const name = durability === undefined ? 'tcp' : 'tcp-durable';
  writeResults(name, { versions, run, operation, durability, rounds, windowMs, series });
}

function print(
  targets: readonly Target[],
  shapes: readonly Shape[],
  series: readonly Series[],
  how: string,
): void {
  const versions = targets.map(({ name, version }) => `${name} ${version}`).join(', ');
  console.log(`${machine()}; ${versions}; ${how}\n`);
  const header = ['connections × in flight', 'server', 'requests/s', 'min–max', 'generator CPU'];
  const rows = shapes.flatMap((shape) => {
    const mine = series.filter((one) => one.shape === nameOf(shape));
    const ours = mine[0].requestsPerSecond;
    return mine.map((one) => [...cellsOf(one), ratioText(ours, one)]);
  });
  console.log(markdownTable([...header, 'sessile / redis'], rows));
}

function cellsOf({ shape, target, requestsPerSecond, generatorCpu }: Series): string[] {
  const { median: middle, min, max } = summarize(requestsPerSecond);
  const range = `${thousands(min)}–${thousands(max)}`;
  const busy = `${Math.round(median(generatorCpu) * 100)} %`;
  return [shape.replace('x', ' × '), target, thousands(middle), range, busy];
}

function ratioText(ours: readonly number[], other: Series): string {
  if (other.target === 'sessile') return '';
  return pairedRatio(ours, other.requestsPerSecond).toFixed(2);
}

function thousands(value: number): string {
  return `${(value / 1e3).toFixed(1)} k`;
}

function shapeOf(text: string): Shape {
  const match = /^(\d+)x(\d+)$/.exec(text);
  if (match === null) throw new Error(`--only ${text}: connections x in flight, such as 50x16`);
  return { connections: Number(match[1]), inFlight: Number(match[2]) };
}

function operationOf(text: string): Operation {
  if (text === 'echo' || text === 'put') return text;
  throw new Error(`--operation ${text}: echo or put`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`--${name} ${text}: a number above 0`);
}
