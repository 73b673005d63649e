/**
 * What a run found, as plain data under the names that `--json` and `--csv` print.
 */
import type { Load, Outcome } from './load.ts';
import type { Plan } from './plan.ts';
import { countsText } from './tally.ts';

export interface Report {
  readonly engine: string;
  readonly address: string;
  /** The server was started for this run. */
  readonly own_server: boolean;
  readonly shards: number;
  readonly operation: string;
  /** Bytes of a request's body, as msgpack. */
  readonly body_bytes: number;
  readonly connections: number;
  readonly in_flight: number;
  readonly sessions: number;
  readonly mode: 'closed' | 'open';
  /** Requests a second that were asked for; null in a closed loop. */
  readonly rate: number | null;
  readonly seed: string;
  readonly ended: Outcome['ending'];
  readonly seconds: number;
  /** Answered with success. */
  readonly ok: number;
  /** Answered otherwise. */
  readonly failed: number;
  readonly unanswered: number;
  /** Open loop: due before the end, and never sent for lack of room. */
  readonly not_sent: number;
  /** Of those that succeeded. */
  readonly requests_per_s: number;
  readonly latency_us: Latencies;
  /** Open loop: how late the load itself was in 99 of a hundred cases. */
  readonly send_lag_p99_us: number | null;
  readonly errors: Readonly<Record<string, number>>;
  readonly retries: number;
  readonly reconnects: number;
  readonly registered: number;
  /** Registers before the load that were refused, by code. */
  readonly register_errors: Readonly<Record<string, number>>;
  readonly sessions_ended: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  /** Share of one processor that the load itself used. */
  readonly generator_cpu: number;
}

export interface Latencies {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

export interface Circumstances {
  readonly plan: Plan;
  readonly address: string;
  readonly isOwnServer: boolean;
}

export function reportOf(
  { plan, address, isOwnServer }: Circumstances,
  load: Load,
  outcome: Outcome,
): Report {
  const { tally, welcome, target } = load;
  const { p50, p90, p99, p999, max, mean } = tally.latency();
  return {
    engine: String(welcome.engine),
    address,
    own_server: isOwnServer,
    shards: welcome.shards,
    operation: target.name,
    body_bytes: target.body.byteLength,
    connections: plan.connections,
    in_flight: plan.inFlight,
    sessions: plan.sessions,
    mode: plan.rate === 0 ? 'closed' : 'open',
    rate: plan.rate === 0 ? null : plan.rate,
    seed: plan.seed,
    ended: outcome.ending,
    seconds: rounded(outcome.seconds, 3),
    ok: tally.ok,
    failed: tally.failures,
    unanswered: outcome.unanswered,
    not_sent: outcome.behind,
    requests_per_s: rounded(tally.ok / outcome.seconds, 1),
    latency_us: { p50, p90, p99, p999, max, mean: rounded(mean, 1) },
    send_lag_p99_us: plan.rate === 0 ? null : tally.lateness,
    errors: byCode(tally.errors),
    retries: tally.retries,
    reconnects: tally.reconnects,
    registered: tally.registered,
    register_errors: byCode(tally.registerErrors),
    sessions_ended: tally.ended,
    bytes_in: tally.bytesIn,
    bytes_out: tally.bytesOut,
    generator_cpu: rounded(outcome.cpu, 3),
  };
}

/** The most frequent first. */
function byCode(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}

/** The report as a line of names and a line of values. Errors are one cell: `code=count …`. */
export function csvOf(report: Report): string {
  const { latency_us, errors, register_errors, ...rest } = report;
  const cells: Record<string, unknown> = { ...rest };
  for (const [name, value] of Object.entries(latency_us)) cells[`${name}_us`] = value;
  cells.errors = countsText(Object.entries(errors));
  cells.register_errors = countsText(Object.entries(register_errors));
  const names = Object.keys(cells);
  return `${names.join(',')}\n${names.map((name) => cell(cells[name])).join(',')}`;
}

function cell(value: unknown): string {
  const text = value === null ? '' : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function rounded(value: number, places: number): number {
  const factor = 10 ** places;
  return Number.isFinite(value) ? Math.round(value * factor) / factor : 0;
}
