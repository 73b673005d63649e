/**
 * `npm run bench:garbage`: what requests leave behind in the thread of a shard, which should be
 * nothing. See bench/README.md.
 */
import { parseArgs } from 'node:util';
import { type Counted, type Job, OPERATIONS } from './garbage/job.ts';
import { count } from './garbage/run.ts';
import { machine, markdownTable, writeResults } from './lib/report.ts';
import { ourRow, type SummaryRow } from './lib/summary.ts';

/** A request takes a microsecond on a slow machine; so many times that, the process hangs. */
const TIMEOUT_MS = 300_000;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1' },
    requests: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [...OPERATIONS] },
  },
});

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:garbage: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const requests = positive('requests', values.requests ?? (values.quick ? '500000' : '10000000'));
  const rounds = positive('rounds', values.rounds);
  const warmUp = Math.min(1_000_000, requests);
  const operations = OPERATIONS.filter((one) => values.only.includes(one));
  if (operations.length === 0) throw new Error(`--only is one of ${OPERATIONS.join(', ')}`);
  const all = operations.map((operation) => ({ operation, rounds: [] as Counted[] }));
  for (let round = 0; round < rounds; round++) {
    for (const one of all) {
      const job: Job = { operation: one.operation, warmUp, requests };
      one.rounds.push(await count(job, TIMEOUT_MS));
      process.stderr.write(`round ${round + 1} of ${rounds}: ${one.operation}\n`);
    }
  }
  console.log(`${machine()}; ${requests} of each, 1 MiB for young objects\n`);
  const header = ['work', 'collections', 'bytes each', 'deoptimized', 'ns each'];
  const rows = all.map(({ operation, rounds: counted }) => [
    operation,
    String(Math.max(...counted.map((one) => one.collections.length))),
    Math.max(...counted.map((one) => one.bytes / requests)).toFixed(3),
    [...new Set(counted.flatMap((one) => one.deoptimized))].join(', ') || 'nothing',
    String(Math.round((Math.min(...counted.map((one) => one.seconds)) * 1e9) / requests)),
  ]);
  console.log(markdownTable(header, rows));
  const summary = all.flatMap(({ operation, rounds: counted }) => [
    rowOf(operation, counted, requests),
    ourRow(
      `${operation}, garbage of each request`,
      'bytes',
      counted.map(({ bytes }) => bytes / requests),
    ),
  ]);
  writeResults('garbage', { versions: {}, requests, rounds, summary, counted: all });
}

/** The budget is about ten million; a short run shows less. */
function rowOf(operation: string, counted: readonly Counted[], requests: number): SummaryRow {
  const figures = counted.map(({ collections }) => collections.length);
  const budget = operation !== 'register' && requests >= 10_000_000 ? 'collections' : undefined;
  return ourRow(`${operation}, ${requests} requests`, 'collections', figures, budget);
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${option} ${text} is not a positive whole number`);
}
