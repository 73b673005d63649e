/**
 * One look at a server as a screen of text: a pure function of what was seen and of the size of
 * the screen. Nothing in it is wider than the screen or, where it has a height, higher.
 */
import type { EngineStatus, ShardStatus } from '../../workers/status.ts';
import { columns, cut, pad, widthOf } from '../terminal/columns.ts';
import { count, share, shortCount, size, span, time } from '../terminal/figures.ts';
import type { Style } from '../terminal/style.ts';
import { fillOf, type Quantiles, type Rates } from './rates.ts';
import type { Sample } from './sampler.ts';

export interface Screen {
  readonly width: number;
  /** Lines at most; undefined = as many as there are. */
  readonly height: number | undefined;
  readonly style: Style;
}

/** From here on a ring or the table is nearly full, and shown so. */
const NEARLY_FULL = 0.9;
const BAR_CELLS = 30;
/** Operations that fit beside everything else on a small screen. */
const OPERATIONS_MAX = 8;
const INDENT = 12;

/** @param address how the server is called */
export function topView(sample: Sample, rates: Rates, address: string, screen: Screen): string[] {
  const { after } = sample;
  const { style } = screen;
  const lines = [
    headLine(after, address, screen),
    '',
    sessionsLine(after, style),
    row('requests', requestParts(rates), style),
    row('ended', endParts(rates), style),
    row('latency', quantileParts(rates.duration), style),
    row('errors', errorParts(after, rates, style), style),
    row('front end', frontEndParts(after, rates), style),
    row('memory', memoryParts(after), style),
    row('journal', journalParts(after, rates, style), style),
    '',
    ...shardTable(after, rates, style),
    '',
    ...operationTable(rates, style),
  ];
  const fitting = lines.map((line) => fit(line, screen.width));
  return screen.height === undefined ? fitting : fitting.slice(0, screen.height);
}

function headLine(
  { engine, node, uptimeMs, timeMs }: EngineStatus,
  address: string,
  screen: Screen,
): string {
  const { bold, dim } = screen.style;
  const clock = new Date(timeMs).toTimeString().slice(0, 8);
  const about = `${address}  up ${span(uptimeMs)}  node ${node.replace(/^v/, '')}`;
  const room = screen.width - `sessile ${engine}`.length - clock.length - 4;
  return `${bold(`sessile ${engine}`)}  ${pad(cut(about, room), room, 'left')}  ${dim(clock)}`;
}

function sessionsLine({ sessions, sessionsMax, executing }: EngineStatus, style: Style): string {
  const part = sessionsMax > 0 ? sessions / sessionsMax : 0;
  const text = `${count(sessions)} of ${count(sessionsMax)}`;
  return row(
    'sessions',
    [`${bar(part, style)} ${share(part)}`, text, `executing ${count(executing)}`],
    style,
  );
}

function bar(part: number, { green, yellow, dim }: Style): string {
  const full = Math.min(BAR_CELLS, Math.ceil(part * BAR_CELLS));
  const paint = part >= NEARLY_FULL ? yellow : green;
  return paint('█'.repeat(full)) + dim('░'.repeat(BAR_CELLS - full));
}

function requestParts({ perSecond }: Rates): string[] {
  const { requests, calls, replays, commits, registered } = perSecond;
  return [
    `${shortCount(requests)}/s`,
    `calls ${shortCount(calls)}/s`,
    `commits ${shortCount(commits)}/s`,
    `replays ${shortCount(replays)}/s`,
    `registers ${shortCount(registered)}/s`,
  ];
}

function endParts({ perSecond }: Rates): string[] {
  const { evicted, expired, closed, disconnected, removed } = perSecond;
  return [
    `evicted ${shortCount(evicted)}/s`,
    `expired ${shortCount(expired)}/s`,
    `closed ${shortCount(closed + disconnected)}/s`,
    `removed ${shortCount(removed)}/s`,
  ];
}

function quantileParts({ p50, p99, max }: Quantiles): string[] {
  if (p50 === null || p99 === null || max === null) return ['no requests just now'];
  return [`p50 ${time(p50)}`, `p99 ${time(p99)}`, `max ${time(max)}`];
}

/** The codes that were met most since the start. */
function errorParts(
  { errors, totals }: EngineStatus,
  { perSecond }: Rates,
  style: Style,
): string[] {
  const now = `${shortCount(perSecond.errors)}/s`;
  const parts = [
    perSecond.errors > 0 ? style.red(now) : now,
    `rate-limited ${shortCount(perSecond.rateLimited)}/s`,
    `since the start ${shortCount(totals.errors)}`,
  ];
  const most = Object.entries(errors).sort(([, a], [, b]) => b - a)[0];
  return most === undefined ? parts : [...parts, `most ${most[0]}`];
}

function frontEndParts({ frontEnd }: EngineStatus, { bytesIn, bytesOut }: Rates): string[] {
  return [
    `${count(frontEnd.connections)} open`,
    `in ${size(bytesIn)}/s`,
    `out ${size(bytesOut)}/s`,
    `loop p99 ${time(frontEnd.eventLoopDelay.p99Us)}`,
  ];
}

function memoryParts({ memory }: EngineStatus): string[] {
  const { rssBytes, heapUsedBytes, sharedBytes } = memory;
  return [
    `resident ${size(rssBytes)}`,
    `heap ${size(heapUsedBytes)}`,
    `shared ${size(sharedBytes)}`,
  ];
}

function journalParts({ journal, shards }: EngineStatus, { sync }: Rates, style: Style): string[] {
  if (journal === null || sync === null) return [style.dim('none: sessions are in memory only')];
  const of = (read: (shard: NonNullable<ShardStatus['journal']>) => number): number =>
    shards.reduce((sum, one) => sum + (one.journal === null ? 0 : read(one.journal)), 0);
  const bad = shards.find((one) => one.journal !== null && one.journal.state !== 'ok');
  return [
    bad?.journal == null ? journal.durability : style.red(bad.journal.state),
    sync.p99 === null ? 'no sync just now' : `sync ${time(sync.p50 ?? 0)}, p99 ${time(sync.p99)}`,
    `buffer ${size(of((one) => one.bufferedBytes))}`,
    `disk ${size(of((one) => one.diskBytes))}`,
  ];
}

function shardTable({ shards }: EngineStatus, rates: Rates, style: Style): string[] {
  const rows = shards.map((one, i) => {
    const { requests, evicted, expired, sync } = rates.shards[i];
    const fill = share(fillOf(one));
    return [
      String(one.shard),
      count(one.sessions),
      shortCount(requests),
      shortCount(evicted),
      shortCount(expired),
      count(one.executing),
      fillOf(one) >= NEARLY_FULL ? style.yellow(fill) : fill,
      one.journal === null || sync.p99 === null ? '-' : time(sync.p99),
    ];
  });
  const header = [
    'shard',
    'sessions',
    'req/s',
    'evict/s',
    'exp/s',
    'executing',
    'ring',
    'sync p99',
  ];
  return table(header, rows, style);
}

/** The slowest operations that were run in the interval; without any, the slowest of all. */
function operationTable({ operations }: Rates, style: Style): string[] {
  const running = operations.filter(({ perSecond }) => perSecond > 0);
  const shown = (running.length > 0 ? running : operations).slice(0, OPERATIONS_MAX);
  if (shown.length === 0) return [style.dim('no operation was executed yet')];
  const rows = shown.map(({ name, perSecond, failedPerSecond, meanUs, maxUs }) => [
    cut(name, 30),
    shortCount(perSecond),
    shortCount(failedPerSecond),
    time(meanUs),
    time(maxUs),
  ]);
  const [head, ...rest] = table(
    ['slowest', 'req/s', 'failed/s', 'mean', 'max'],
    rows,
    style,
    'left',
  );
  return [head, ...rest];
}

function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  style: Style,
  first: 'left' | 'right' = 'right',
): string[] {
  const sides = header.map((_, i) => (i === 0 ? first : 'right'));
  const [head, ...lines] = columns([header, ...rows], sides);
  return [style.dim(head), ...lines];
}

function row(name: string, parts: readonly string[], { dim }: Style): string {
  return `${dim(pad(name, INDENT, 'left'))}${parts.join('   ')}`;
}

/** Parts at the end of a line that is too long are left out, whole words at a time. */
function fit(line: string, width: number): string {
  let text = line;
  while (widthOf(text) > width && text.includes('  '))
    text = text.slice(0, text.lastIndexOf('  ')).trimEnd();
  return widthOf(text) <= width ? text : cut(text, width);
}
