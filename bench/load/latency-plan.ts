/**
 * Which loads the latency benchmark puts on which server, in which order, and what its figures say.
 */
import { arePaired, type Rounds, summarize } from '../lib/stats.ts';
import { ourRow, peerRow, type Skipped, type SummaryRow } from '../lib/summary.ts';
import type { LatencyJob, LatencyOutcome, TargetName } from './job.ts';
import { type Latencies, PERCENTILES, type Percentile } from './latencies.ts';
import type { Target } from './servers.ts';

/** Requests that a connection can have in flight, several times what it has at its peak. */
const LANES = 64;

const SHARES = [0.5, 0.8];

/** Of the slowest server's peak, for all alike: only then does one figure say who is faster. */
const COMMON_SHARE = 0.5;

/** What goes to the summary of all benchmarks; the table of this one has them all. */
const IN_SUMMARY: readonly Percentile[] = ['p50', 'p99', 'p99.9'];

export interface Peak {
  readonly target: Target;
  readonly requestsPerSecond: number;
}

export interface LatencyPlan {
  readonly peaks: readonly Peak[];
  readonly rounds: number;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
}

export interface LatencySeries {
  readonly target: TargetName;
  readonly load: string;
  /** Whether the others have the same rate under this load. */
  readonly isCommon: boolean;
  readonly requestsPerSecond: number;
  readonly latencies: (Latencies | null)[];
  readonly lateMicroseconds: (number | null)[];
  readonly problems: string[];
}

/** Empty series, load by load, so that the servers take turns. */
export function planSeries(peaks: readonly Peak[]): LatencySeries[] {
  const slowest = Math.min(...peaks.map(({ requestsPerSecond }) => requestsPerSecond));
  const common = Math.floor(slowest * COMMON_SHARE);
  const empty = (of: Peak, load: string, isCommon: boolean, rate: number): LatencySeries => {
    const figures = { latencies: [], lateMicroseconds: [], problems: [] };
    return { target: of.target.name, load, isCommon, requestsPerSecond: rate, ...figures };
  };
  const text = thousands(common);
  return [
    ...peaks.map((peak) => empty(peak, text, true, common)),
    ...SHARES.flatMap((share) =>
      peaks.map((peak) => {
        const rate = Math.floor(peak.requestsPerSecond * share);
        return empty(peak, `${share * 100} % of its peak`, false, rate);
      }),
    ),
  ];
}

export async function measureLatencies(
  plan: LatencyPlan,
  run: (job: LatencyJob) => Promise<LatencyOutcome>,
  say: (text: string) => void,
): Promise<LatencySeries[]> {
  const all = planSeries(plan.peaks);
  const { connections, warmUpMs, windowMs } = plan;
  for (let round = 1; round <= plan.rounds; round++) {
    for (const series of all) {
      const { target, load, requestsPerSecond } = series;
      const { port } = plan.peaks.find((peak) => peak.target.name === target)!.target;
      const shape = { connections, lanes: LANES, requestsPerSecond, warmUpMs, windowMs };
      const text = await note(series, run({ target, port, operation: 'echo', ...shape }));
      say(`round ${round}: ${target} ${load}: ${text}`);
    }
  }
  return all;
}

async function note(series: LatencySeries, outcome: Promise<LatencyOutcome>): Promise<string> {
  try {
    const { latencies, unanswered, lateMicroseconds } = await outcome;
    series.latencies.push(latencies);
    series.lateMicroseconds.push(lateMicroseconds);
    if (unanswered > 0) series.problems.push(`${unanswered} requests unanswered, which count`);
    return `p99 ${Math.round(latencies.p99)} µs`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    series.latencies.push(null);
    series.lateMicroseconds.push(null);
    series.problems.push(`discarded: ${why}`);
    return series.problems.at(-1)!;
  }
}

export function tableOf(all: readonly LatencySeries[]): [string[], string[][]] {
  const names = Object.keys(PERCENTILES) as Percentile[];
  const header = ['load', 'server', 'requests/s', ...names.map((name) => `${name}, µs`)];
  const rows = measured(all).map((series) => {
    const cells = names.map((name) => {
      const { median, min, max } = summarize(roundsOf(series, name));
      return `${Math.round(median)} (${Math.round(min)}–${Math.round(max)})`;
    });
    const late = Math.round(summarize(series.lateMicroseconds).median);
    const rate = Math.round(series.requestsPerSecond).toLocaleString('en');
    return [series.load, series.target, rate, ...cells, String(late)];
  });
  return [[...header, 'of it sent late, p99, µs'], rows];
}

export function summaryOf(all: readonly LatencySeries[]): SummaryRow[] {
  return measured(all).flatMap((series) =>
    IN_SUMMARY.map((name) => {
      const { target, load, isCommon, requestsPerSecond } = series;
      const rate = isCommon ? '' : `, ${thousands(requestsPerSecond)}`;
      const what = `${name} at ${load}${rate}`;
      const values = roundsOf(series, name);
      if (target === 'sessile') return ourRow(what, 'µs', values);
      const ours = all.find((one) => one.target === 'sessile' && one.load === load);
      const mine = ours === undefined ? [] : roundsOf(ours, name);
      if (!isCommon || !arePaired(mine, values)) {
        return { ...ourRow(what, 'µs', values), peer: target };
      }
      return peerRow({ what, unit: 'µs', values: mine, better: 'less' }, target, values);
    }),
  );
}

export function skippedOf(all: readonly LatencySeries[]): Skipped[] {
  return all
    .filter(({ problems }) => problems.length > 0)
    .map(({ target, load, problems, latencies }) => ({
      what: `${target}, ${load}`,
      why: `${problems.length} of ${latencies.length} rounds: ${problems[0]}`,
    }));
}

function thousands(requestsPerSecond: number): string {
  return `${Math.round(requestsPerSecond / 1e3)} k/s`;
}

function measured(all: readonly LatencySeries[]): LatencySeries[] {
  return all.filter(({ latencies }) => latencies.some((one) => one !== null));
}

function roundsOf(series: LatencySeries, name: Percentile): Rounds {
  return series.latencies.map((one) => one?.[name] ?? null);
}
