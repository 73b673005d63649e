/**
 * `npm run bench:latency`: how long requests take at a fixed rate, counted from when each was due.
 * See bench/README.md for the options.
 */
import { parseArgs } from 'node:util';
import { VERSION } from '../dist/version.js';
import { finish, peersOf, positive, whole } from './lib/arguments.ts';
import { machine, markdownTable, writeResults } from './lib/report.ts';
import { stopAll } from './load/children.ts';
import {
  type Job,
  type LatencyJob,
  type LatencyOutcome,
  PEER_NAMES,
  type Shape,
  type Outcome as Throughput,
} from './load/job.ts';
import { measureLatencies, type Peak, skippedOf, summaryOf, tableOf } from './load/latency-plan.ts';
import { runJob } from './load/run-job.ts';
import { runPlan } from './load/schedule.ts';
import { startTargets, type Target } from './load/servers.ts';

const GENERATOR = new URL('./load/generator.ts', import.meta.url);
const LATENCY_GENERATOR = new URL('./load/latency-generator.ts', import.meta.url);

/** The closed loop that finds what each server can do at most. */
const PEAK_SHAPE: Shape = { connections: 50, inFlight: 1 };

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    peer: { type: 'string', multiple: true, default: [...PEER_NAMES] },
    'no-peers': { type: 'boolean', default: false },
    run: { type: 'string', default: 'auto' },
  },
});

await finish('bench:latency', main, stopAll);

async function main(): Promise<void> {
  const { quick, run } = values;
  const rounds = whole('rounds', values.rounds ?? (quick ? '1' : '5'));
  const windowMs = positive('seconds', values.seconds ?? (quick ? '0.4' : '1.5')) * 1e3;
  const warmUpMs = quick ? 200 : 500;
  const peers = values['no-peers'] ? [] : peersOf(values.peer);
  const ours = { version: VERSION, run, profile: undefined, durability: undefined };
  const { targets, skipped } = await startTargets(ours, peers);
  const peaks = await peaksOf(targets, warmUpMs, windowMs);
  const plan = { peaks, rounds, warmUpMs, windowMs, connections: PEAK_SHAPE.connections };
  const runOne = (job: LatencyJob): Promise<LatencyOutcome> =>
    runJob<LatencyOutcome>(LATENCY_GENERATOR, job);
  const series = await measureLatencies(plan, runOne, say);
  const missing = [...skipped, ...skippedOf(series)];
  const versions = Object.fromEntries(targets.map(({ name, version }) => [name, version] as const));
  const used = Object.entries(versions).map((pair) => pair.join(' '));
  const how = `${PEAK_SHAPE.connections} connections, run ${run}, median of ${rounds} rounds`;
  console.log(`${machine()}; ${used.join(', ')}; ${how}\n`);
  for (const { what, why } of missing) console.log(`skipped: ${what}: ${why}\n`);
  console.log(markdownTable(...tableOf(series)));
  const summary = summaryOf(series);
  writeResults('latency', { versions, skipped: missing, summary, rounds, windowMs, series });
}

/** What each server answers in a second when it is asked as much as it can. */
async function peaksOf(
  targets: readonly Target[],
  warmUpMs: number,
  windowMs: number,
): Promise<Peak[]> {
  const run = (job: Job): Promise<Throughput> => runJob<Throughput>(GENERATOR, job);
  const shapes = [PEAK_SHAPE];
  const plan = { targets, shapes, rounds: 1, operation: 'echo', warmUpMs, windowMs } as const;
  const series = await runPlan(plan, run, say);
  return series.flatMap(({ requestsPerSecond: [peak], discarded: [why] }, i) => {
    if (peak === null) throw new Error(`${targets[i].name} has no peak: ${why}`);
    return [{ target: targets[i], requestsPerSecond: peak }];
  });
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
