/**
 * `npm run bench:embed`: an engine that several threads share, beside a `Map` in a thread of its
 * own. See bench/README.md.
 */
import { parseArgs } from 'node:util';
import { latenciesOf } from './embed/histogram.ts';
import { nanosecondsEach, runPlan, type Series } from './embed/plan.ts';
import { startStage } from './embed/subjects.ts';
import { machine, markdownTable, writeResults } from './lib/report.ts';
import { pairedRatio, summarize } from './lib/stats.ts';
import { ourRow, peerRow, type SummaryRow } from './lib/summary.ts';

const THREADS = [1, 2, 4];
const UNIT = 'requests/s';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    operation: { type: 'string', default: 'echo' },
    only: { type: 'string', multiple: true, default: [''] },
  },
});

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:embed: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const rounds = positive('rounds', values.rounds ?? (values.quick ? '2' : '5'));
  const windowMs = 1e3 * positive('seconds', values.seconds ?? (values.quick ? '0.1' : '0.5'));
  const { operation } = values;
  if (operation !== 'echo' && operation !== 'put') {
    throw new Error(`--operation ${operation} is neither echo nor put`);
  }
  const stage = await startStage(Math.max(...THREADS));
  try {
    const subjects = stage.subjects.filter(({ name }) => values.only.some((o) => name.includes(o)));
    if (subjects.length === 0) throw new Error(`--only ${values.only.join()} leaves nothing`);
    const plan = { subjects, threads: THREADS, rounds, operation, windowMs } as const;
    const series = await runPlan(plan, (line) => process.stderr.write(`${line}\n`));
    print(series, `${operation}, median of ${rounds} rounds`);
    const summary = summaryOf(series, operation);
    writeResults('embed', {
      versions: {},
      operation,
      rounds,
      windowMs,
      summary,
      series: plain(series),
    });
  } finally {
    await stage.stop();
  }
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`--${option} ${text} is not a positive number`);
}

/** Ours with all sessions on one shard is what the others are compared with: its worst case. */
function baseOf(series: readonly Series[], threads: number): Series | undefined {
  return series.find((one) => one.isOurs && one.threads === threads);
}

function summaryOf(series: readonly Series[], operation: string): SummaryRow[] {
  return series.map(({ subject, isOurs, threads, requestsPerSecond: values }) => {
    const what = `${operation}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
    const base = baseOf(series, threads);
    if (isOurs || base === undefined) return ourRow(`${what}, ${subject}`, UNIT, values);
    const ours = { what, unit: UNIT, values: base.requestsPerSecond, better: 'more' } as const;
    return peerRow(ours, subject, values);
  });
}

function plain(series: readonly Series[]): object[] {
  return series.map(({ histograms, ...rest }) => ({
    ...rest,
    ...(histograms.length > 0 ? { nanoseconds: latenciesOf(histograms) } : {}),
  }));
}

function print(series: readonly Series[], how: string): void {
  console.log(`${machine()}; ${how}\n`);
  const header = ['store', 'threads', UNIT, 'min–max', 'each thread', 'ns a request', 'sessile is'];
  const rows = series.map((one) => {
    const { subject, threads, requestsPerSecond } = one;
    const { median: middle, min, max } = summarize(requestsPerSecond);
    const base = baseOf(series, threads);
    const isPeer = !one.isOurs && base !== undefined;
    const ratio = isPeer ? pairedRatio(base.requestsPerSecond, requestsPerSecond) : 0;
    return [
      subject,
      String(threads),
      thousands(middle),
      `${thousands(min)}–${thousands(max)}`,
      thousands(middle / threads),
      nanosecondsEach(middle, threads).toFixed(0),
      isPeer ? `${ratio.toFixed(1)}×` : '',
    ];
  });
  console.log(`${markdownTable(header, rows)}\n`);
  const timed = series.filter(({ histograms }) => histograms.length > 0);
  const columns = ['one in flight, µs', 'threads', 'p50', 'p90', 'p99', 'p99.9', 'max'];
  const cells = timed.map(({ subject, threads, histograms }) => {
    const { p50, p90, p99, p999, max } = latenciesOf(histograms);
    return [subject, String(threads), ...[p50, p90, p99, p999, max].map(microseconds)];
  });
  console.log(markdownTable(columns, cells));
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function microseconds(nanoseconds: number): string {
  return (nanoseconds / 1e3).toFixed(nanoseconds < 1e5 ? 1 : 0);
}
