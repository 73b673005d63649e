/**
 * A report as people read it.
 */
import { columns } from '../terminal/columns.ts';
import { count, share, size, time } from '../terminal/figures.ts';
import type { Style } from '../terminal/style.ts';
import type { Report } from './report.ts';
import { countsText } from './tally.ts';

/** From here on the load itself has no processor time to spare. */
const BUSY_GENERATOR = 0.9;

/** From here on the load's own lateness is a good part of most latencies. */
const LATE_US = 500;

export function reportText(report: Report, style: Style): string {
  const { bold, dim } = style;
  const lines = [
    `${bold(`${report.operation}, ${count(report.body_bytes)} bytes`)}: ${shapeText(report)}`,
    dim(`sessile ${report.engine} on ${report.address}, ${plural(report.shards, 'shard')}`),
    '',
    ...indented(figures(report, style)),
    '',
    ...indented(latencies(report, style)),
  ];
  const errors = errorLines(report, style);
  if (errors.length > 0) lines.push('', ...indented(errors));
  const remarks = remarksOn(report);
  if (remarks.length > 0) lines.push('', ...remarks.map((remark) => style.yellow(remark)));
  return lines.join('\n');
}

function shapeText({ connections, in_flight, sessions, rate }: Report): string {
  const loop = rate === null ? 'closed loop' : `open loop at ${count(rate)}/s`;
  return [
    plural(connections, 'connection'),
    `${count(in_flight)} in flight on each`,
    plural(sessions, 'session'),
    loop,
  ].join(', ');
}

function figures(report: Report, { bold, red }: Style): string[] {
  const { seconds, ok, failed, requests_per_s, bytes_in, bytes_out } = report;
  const perSecond = (bytes: number): string => `${size(seconds > 0 ? bytes / seconds : 0)}/s`;
  const rows = [
    ['requests', count(ok), `in ${seconds.toFixed(2)} s`],
    ['requests/s', bold(count(requests_per_s)), ''],
    ['errors', failed === 0 ? '0' : red(count(failed)), ''],
    ['retries', count(report.retries), `after ${plural(report.reconnects, 'reconnect')}`],
    [
      'registers',
      count(report.registered),
      `${count(report.sessions_ended)} sessions ended meanwhile`,
    ],
    ['sent', perSecond(bytes_out), `received ${perSecond(bytes_in)}`],
  ];
  return columns(rows, ['left', 'right', 'left']);
}

function latencies({ latency_us, mode }: Report, { dim, bold }: Style): string[] {
  const { p50, p90, p99, p999, max } = latency_us;
  const names = ['latency', 'p50', 'p90', 'p99', 'p99.9', 'max'];
  const values = [p50, p90, p99, p999, max].map((us) => bold(time(us)));
  const from = mode === 'open' ? 'from the time due' : 'from sending';
  const rows = [names.map(dim), [dim(from), ...values]];
  return columns(rows, ['left', 'right', 'right', 'right', 'right', 'right']);
}

function errorLines({ errors, failed, ok }: Report, { dim, red }: Style): string[] {
  const entries = Object.entries(errors);
  if (entries.length === 0) return [];
  const rows = entries.map(([code, number]) => [
    red(code),
    count(number),
    share(number / (failed + ok)),
  ]);
  return columns([['error', 'count', 'of all'].map(dim), ...rows], ['left', 'right', 'right']);
}

function remarksOn(report: Report): string[] {
  const { ended, unanswered, not_sent, generator_cpu, rate, requests_per_s } = report;
  const lag = report.send_lag_p99_us ?? 0;
  const remarks: string[] = [];
  if (ended === 'interrupted') remarks.push('Interrupted: these are the figures until then.');
  if (ended === 'server_gone')
    remarks.push('The server went away: these are the figures until then.');
  const refused = Object.entries(report.register_errors);
  if (refused.length > 0) {
    const sum = refused.reduce((all, [, number]) => all + number, 0);
    remarks.push(
      `${count(sum)} of ${plural(report.sessions, 'session')} could not be registered before the ` +
        `load: ${countsText(refused)}.`,
      'Each of them was tried again when its turn came.',
    );
  }
  if (unanswered > 0) remarks.push(`${plural(unanswered, 'request')} had no answer at the end.`);
  if (not_sent > 0) {
    remarks.push(
      `${plural(not_sent, 'request')} of the schedule could not be sent for lack of room:`,
      `the server did not keep up with ${count(rate ?? 0)}/s, it did ${count(requests_per_s)}/s.`,
    );
  }
  if (lag > LATE_US) {
    remarks.push(
      `The load itself was late (p99 ${time(lag)}), and latencies include that:`,
      'give it a processor that nobody else uses.',
    );
  }
  // An open loop waits awake.
  if (rate === null && generator_cpu >= BUSY_GENERATOR) {
    remarks.push(
      `The load used ${share(generator_cpu)} of a processor: it may be what limits the rate.`,
    );
  }
  return remarks;
}

function plural(number: number, what: string): string {
  return `${count(number)} ${what}${number === 1 ? '' : 's'}`;
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
