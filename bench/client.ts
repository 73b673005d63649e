/**
 * `npm run bench:client`: what a caller of the client library and of the embedded engine waits,
 * with tinybench. See bench/README.md.
 */
import { parseArgs } from 'node:util';
import { Bench, type Statistics } from 'tinybench';
import { VERSION } from '../dist/version.js';
import { type ClientWork, prepareWorks } from './client/works.ts';
import { finish, positive, whole } from './lib/arguments.ts';
import { installedVersion, machine, markdownTable, writeResults } from './lib/report.ts';
import { ourRow, type SummaryRow } from './lib/summary.ts';
import { stopAll } from './load/children.ts';
import { startTargets } from './load/servers.ts';

/** Microseconds from a call to its answer, one figure a round. */
const PERCENTILES = ['p50', 'p99', 'p999'] as const;
type Figures = Record<(typeof PERCENTILES)[number] | 'requestsPerSecond', number[]>;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
  },
});

await finish('bench:client', main, stopAll);

async function main(): Promise<void> {
  const rounds = whole('rounds', values.rounds ?? (values.quick ? '1' : '5'));
  const timeMs = positive('seconds', values.seconds ?? (values.quick ? '0.2' : '1')) * 1e3;
  const ours = { version: VERSION, run: 'auto', profile: undefined, durability: undefined };
  const { targets } = await startTargets(ours, []);
  const { works, stop } = await prepareWorks(targets[0].port);
  const figures = new Map(works.map(({ name }) => [name, emptyFigures()]));
  try {
    for (let round = 0; round < rounds; round++) await runRound(works, timeMs, figures);
  } finally {
    await stop();
  }
  const versions = { sessile: VERSION, tinybench: installedVersion('tinybench') };
  const used = Object.entries(versions).map((pair) => pair.join(' '));
  console.log(`${machine()}; ${used.join(', ')}; median of ${rounds} rounds\n`);
  const summary = works.flatMap(({ name }) => rowsOf(name, figures.get(name)!));
  print(works, summary);
  writeResults('client', { versions, rounds, timeMs, summary });
}

/** All works once, one after the other. */
async function runRound(
  works: readonly ClientWork[],
  timeMs: number,
  figures: ReadonlyMap<string, Figures>,
): Promise<void> {
  const bench = new Bench({ time: timeMs, warmupTime: timeMs / 4, throws: true });
  for (const { name, run } of works) bench.add(name, run);
  await bench.run();
  for (const [i, { result }] of bench.tasks.entries()) {
    const { name } = works[i];
    if (result.state !== 'completed') throw new Error(`${name}: ${result.state}`);
    note(figures.get(name)!, result.latency, works[i]);
  }
}

function note(figures: Figures, latency: Statistics, { requests, isInTurn }: ClientWork): void {
  const share = isInTurn ? requests : 1;
  for (const name of PERCENTILES) figures[name].push((latency[name] * 1e3) / share);
  figures.requestsPerSecond.push((requests * 1e3) / latency.mean);
}

function emptyFigures(): Figures {
  return { p50: [], p99: [], p999: [], requestsPerSecond: [] };
}

function rowsOf(name: string, figures: Figures): SummaryRow[] {
  const waits = PERCENTILES.map((percentile) =>
    ourRow(`${name}, ${percentile.replace('p999', 'p99.9')}`, 'µs', figures[percentile]),
  );
  return [...waits, ourRow(name, 'requests/s', figures.requestsPerSecond)];
}

function print(works: readonly ClientWork[], rows: readonly SummaryRow[]): void {
  const perWork = PERCENTILES.length + 1;
  const lines = works.map(({ name }, i) => {
    const mine = rows.slice(i * perWork, (i + 1) * perWork);
    return [name, ...mine.map(({ figure }) => figure.toFixed(figure < 100 ? 2 : 0))];
  });
  const header = ['work', 'p50, µs', 'p99, µs', 'p99.9, µs', 'requests/s'];
  console.log(markdownTable(header, lines));
}
