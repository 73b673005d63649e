/**
 * `npm run bench`: all benchmarks, one after the other, and one table of what they measured. See
 * bench/README.md.
 */
import { writeFileSync } from 'node:fs';
import { release, type } from 'node:os';
import { parseArgs } from 'node:util';
import { whole } from './lib/arguments.ts';
import type { PartResults } from './lib/part-results.ts';
import { partsNamed } from './lib/parts.ts';
import { machine, resultsFolder } from './lib/report.ts';
import { runPart } from './lib/run-part.ts';
import { summaryText } from './lib/summary-table.ts';

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
    },
  });
  const { quick, rounds } = values;
  const asked = partsNamed(values.only);
  const options = quick ? ['--quick'] : [];
  if (rounds !== undefined) options.push('--rounds', String(whole('rounds', rounds)));
  const date = new Date().toISOString().slice(0, 10);
  const began = performance.now();
  const parts: PartResults[] = [];
  for (const part of asked) {
    process.stderr.write(`\n== ${part.name} ==\n`);
    parts.push(await runPart(part, options));
  }
  const minutes = (performance.now() - began) / 60_000;
  const where = `${machine()}, ${type()} ${release()}`;
  const text = summaryText({ machine: where, date, isQuick: quick, minutes, parts });
  writeFileSync(new URL('summary.md', resultsFolder()), text);
  process.stdout.write(text);
  if (parts.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}
