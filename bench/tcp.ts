/**
 * `npm run bench:tcp`: requests per second over loopback TCP, beside other servers under the same
 * load. See bench/README.md for the options.
 */
import { parseArgs } from 'node:util';
import { VERSION } from '../dist/version.js';
import { finish, peersOf, positive, whole } from './lib/arguments.ts';
import { machine, markdownTable, writeResults } from './lib/report.ts';
import { stopAll } from './load/children.ts';
import { type Job, type Operation, type Outcome, PEER_NAMES, type Shape } from './load/job.ts';
import { runJob } from './load/run-job.ts';
import { runPlan } from './load/schedule.ts';
import { startTargets } from './load/servers.ts';
import { skippedOf, summaryOf, tableOf } from './load/throughput.ts';

const GENERATOR = new URL('./load/generator.ts', import.meta.url);

/** Long enough for the servers' compilers and for the loop to settle. */
const WARM_UP_MS = 1_000;
const QUICK_WARM_UP_MS = 300;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string', multiple: true, default: ['50x1', '50x16', '50x100', '1x1000'] },
    peer: { type: 'string', multiple: true, default: [...PEER_NAMES] },
    'no-peers': { type: 'boolean', default: false },
    run: { type: 'string', default: 'auto' },
    operation: { type: 'string', default: 'echo' },
    profile: { type: 'string' },
    durability: { type: 'string' },
  },
});

await finish('bench:tcp', main, stopAll);

async function main(): Promise<void> {
  const { run, profile, durability, quick } = values;
  const shapes = values.only.map(shapeOf);
  const operation = operationOf(values.operation);
  const rounds = whole('rounds', values.rounds ?? (quick ? '1' : '5'));
  const windowMs = positive('seconds', values.seconds ?? (quick ? '0.3' : '2')) * 1e3;
  const warmUpMs = quick ? QUICK_WARM_UP_MS : WARM_UP_MS;
  const peers = values['no-peers'] ? [] : peersOf(values.peer);
  const started = await startTargets({ version: VERSION, run, profile, durability }, peers);
  const plan = { ...started, shapes, rounds, operation, warmUpMs, windowMs };
  const series = await runPlan(plan, (job: Job) => runJob<Outcome>(GENERATOR, job), say);
  const versions = Object.fromEntries(
    started.targets.map(({ name, version }) => [name, version] as const),
  );
  const skipped = [...started.skipped, ...skippedOf(series)];
  const kept = durability === undefined ? 'in memory' : `durability ${durability}`;
  const used = Object.entries(versions).map((pair) => pair.join(' '));
  const how = `run ${run}, operation ${operation}, ${kept}, median of ${rounds} rounds`;
  console.log(`${machine()}; ${used.join(', ')}; ${how}\n`);
  for (const { what, why } of skipped) console.log(`skipped: ${what}: ${why}\n`);
  console.log(markdownTable(...tableOf(series)));
  const conditions = durability === undefined ? '' : `, durability ${durability}`;
  const summary = summaryOf(series, conditions, budgetsOf(durability, operation));
  if (summary.every(({ peer }) => peer !== undefined)) throw new Error(skipped.at(-1)!.why);
  const name = durability === undefined ? 'tcp' : 'tcp-durable';
  const options = { run, operation, durability, rounds, windowMs };
  writeResults(name, { versions, skipped, summary, ...options, series });
}

/** The prefix of the budgets that hold for what is measured. */
function budgetsOf(durability: string | undefined, operation: Operation): string | undefined {
  if (operation !== 'echo' || values.run !== 'auto') return undefined;
  if (durability === undefined) return 'tcp-';
  return durability === 'commit' ? 'durable-' : undefined;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
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
