/**
 * The single figures of the page, by the names that the page's elements carry in `data-field`.
 */
import { type Difference, merged, percentile } from './differences.ts';
import {
  bytes,
  counted,
  dateAndClock,
  duration,
  microseconds,
  NONE,
  percent,
  perSecond,
  whole,
} from './format.ts';
import type { ShardJournal, Status } from './status.ts';

export interface View {
  readonly status: Status;
  /** The last few seconds. */
  readonly recent: Difference;
}

export type Field = (view: View) => string;

export const FIELDS: Readonly<Record<string, Field>> = {
  engine: ({ status }) => status.engine,
  runtime: ({ status }) => `Node ${status.node.replace(/^v/, '')}, process ${status.pid}`,
  uptime: ({ status }) => duration(status.uptime_ms),
  started: ({ status }) => dateAndClock(status.time_ms - status.uptime_ms),

  sessions: ({ status }) => whole(status.sessions),
  sessions_max: ({ status }) => whole(status.sessions_max),
  sessions_part: ({ status }) => percent(status.sessions, status.sessions_max),
  executing: ({ status }) => whole(status.executing),
  registered: ({ status }) => whole(status.totals.registered),
  resumed: ({ status }) => whole(status.totals.resumed),

  requests: ({ status }) => whole(status.totals.requests),
  calls: ({ status }) => whole(status.totals.calls),
  replays: ({ status }) => whole(status.totals.replays),
  commits: ({ status }) => whole(status.totals.commits),

  connections: ({ status }) => whole(status.front_end.connections),
  connections_max: ({ status }) => whole(status.front_end.connections_max),
  accepted: ({ status }) => whole(status.front_end.accepted),
  connections_refused: ({ status }) => whole(status.front_end.refused),
  bytes_in: ({ status, recent }) => traffic(recent.bytesInPerS, status.front_end.bytes_in),
  bytes_out: ({ status, recent }) => traffic(recent.bytesOutPerS, status.front_end.bytes_out),
  loop_p99: ({ status }) => microseconds(status.front_end.event_loop_delay.p99_us),
  loop_max: ({ status }) => microseconds(status.front_end.event_loop_delay.max_us),

  journal_folder: ({ status }) => status.journal?.folder ?? NONE,
  journal_durability: ({ status }) => durabilityText(status.journal?.durability),
  journal_state: ({ status }) => stateText(journalsOf(status)),
  journal_sync: ({ status }) => syncText(journalsOf(status)),
  journal_segments: ({ status }) => segmentsText(journalsOf(status)),
  journal_waiting: ({ status }) => bytes(sum(journalsOf(status), (each) => each.buffered_bytes)),
  journal_written: ({ status }) => writtenText(journalsOf(status)),

  memory_rss: ({ status }) => bytes(status.memory.rss_bytes),
  memory_heap: ({ status }) => bytes(status.memory.heap_used_bytes),
  memory_shared: ({ status }) => bytes(status.memory.shared_bytes),
};

function traffic(rate: number, total: number): string {
  return `${bytes(rate)} a second, ${bytes(total)} in all`;
}

function journalsOf(status: Status): ShardJournal[] {
  return status.shards.flatMap(({ journal }) => (journal === null ? [] : [journal]));
}

function sum(journals: readonly ShardJournal[], read: (each: ShardJournal) => number): number {
  return journals.reduce((total, each) => total + read(each), 0);
}

function durabilityText(durability: string | undefined): string {
  switch (durability) {
    case undefined:
      return NONE;
    case 'commit':
      return 'on disk before each reply';
    case 'off':
      return 'left to the system';
    default:
      return `synced by ${durability}`;
  }
}

function stateText(journals: readonly ShardJournal[]): string {
  const states = new Set(journals.map(({ state }) => state));
  for (const bad of ['failed', 'full']) if (states.has(bad)) return bad;
  return [...states].join(', ') || NONE;
}

function syncText(journals: readonly ShardJournal[]): string {
  const buckets = merged(journals.map(({ sync }) => sync));
  const p50 = percentile(buckets, 0.5);
  const p99 = percentile(buckets, 0.99);
  if (p50 === null || p99 === null) return 'none yet';
  return `p50 ${microseconds(p50)}, p99 ${microseconds(p99)}`;
}

function segmentsText(journals: readonly ShardJournal[]): string {
  const segments = sum(journals, (each) => each.segments);
  const size = sum(journals, (each) => each.disk_bytes);
  return `${counted(segments, 'segment', 'segments')}, ${bytes(size)}`;
}

function writtenText(journals: readonly ShardJournal[]): string {
  const batches = sum(journals, (each) => each.batches);
  const synced = sum(journals, (each) => each.synced_bytes);
  return `${bytes(synced)} in ${counted(batches, 'batch', 'batches')}`;
}

/** What a plot shows now, in words, for those who do not see it. */
export function plotText(kind: 'throughput' | 'latency', { recent }: View): string {
  if (kind === 'throughput') {
    const { requests, calls, replays, errors } = recent.rates;
    const now = `now ${perSecond(requests)} requests, ${perSecond(calls)} calls, `;
    return `${now}${perSecond(replays)} replays and ${perSecond(errors)} refusals a second`;
  }
  if (recent.p50Us === null || recent.p99Us === null) return 'now no requests';
  return `now p50 ${microseconds(recent.p50Us)} and p99 ${microseconds(recent.p99Us)}`;
}
