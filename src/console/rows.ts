/**
 * The rows of the page's tables as texts, in the order of their columns.
 */
import type { View } from './fields.ts';
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
  words,
} from './format.ts';
import type { SessionDetails, SessionEntry, Shard, Status } from './status.ts';

type Row = readonly string[];

/** More are of no use on a page; the rest is in /status.json. */
const OPERATIONS_SHOWN = 8;

/** Reasons why sessions end, and how they read. */
const ENDS = [
  ['evicted', 'Evicted to make room'],
  ['expired', 'Expired'],
  ['closed', 'Closed by their client'],
  ['disconnected', 'Ended with a connection'],
  ['removed', 'Removed by an operator'],
] as const;

export function endRows({ status, recent }: View): Row[] {
  return ENDS.map(([name, text]) => [
    text,
    whole(status.totals[name]),
    perSecond(recent.rates[name]),
  ]);
}

/** Most frequent first; by name where they are equal, so that rows keep their places. */
export function refusalRows({ status, recent }: View): Row[] {
  return Object.entries(status.errors)
    .filter(([, count]) => count > 0)
    .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .map(([code, count]) => [
      words(code),
      whole(count),
      perSecond(recent.errorRates.get(code) ?? 0),
    ]);
}

/** Slowest first, by the mean of those that were timed. */
export function operationRows({ status }: View): Row[] {
  return [...status.operations]
    .sort((a, b) => b.mean_us - a.mean_us || a.number - b.number)
    .slice(0, OPERATIONS_SHOWN)
    .map(({ name, count, failed, sampled, mean_us, max_us }) => [
      name,
      whole(count),
      whole(failed),
      sampled > 0 ? microseconds(mean_us) : NONE,
      sampled > 0 ? microseconds(max_us) : NONE,
    ]);
}

export interface ShardRow {
  readonly cells: Row;
  /** How much of the bar is filled, 0 to 1. */
  readonly part: number;
}

/** A shard's bar is full at its even share; ids are random, so a shard may hold a little more. */
export function shardRows(status: Status): ShardRow[] {
  const share = status.sessions_max / Math.max(1, status.shards.length);
  return status.shards.map((shard) => ({
    cells: [
      String(shard.shard),
      whole(shard.sessions),
      percent(shard.sessions, share),
      waitingText(shard),
    ],
    part: Math.min(1, shard.sessions / share),
  }));
}

function waitingText({ ring_used_bytes, ring_bytes }: Shard): string {
  return ring_used_bytes === 0 ? 'nothing' : percent(ring_used_bytes, ring_bytes);
}

export function sessionRow(entry: SessionEntry): Row {
  return [
    entry.id,
    whole(entry.request),
    duration(entry.idle_ms),
    expiryText(entry),
    bytes(entry.data_bytes),
    stateText(entry),
  ];
}

/** Names and values of one session. */
export function detailRows(details: SessionDetails): [name: string, value: string][] {
  const { ttl_ms, rate, capabilities } = details;
  return [
    ['State', stateText(details)],
    ['Last request', details.request === 0 ? 'none yet' : whole(details.request)],
    ['Session number', whole(details.session)],
    ['Registered', dateAndClock(details.created_ms)],
    ['Age', duration(details.last_activity_ms + details.idle_ms - details.created_ms)],
    ['Last activity', dateAndClock(details.last_activity_ms)],
    ['Idle', duration(details.idle_ms)],
    ['Time to live', ttl_ms === null ? 'for ever' : duration(ttl_ms)],
    ['Expires in', expiryText(details)],
    ['Data', `${bytes(details.data_bytes)}, ${counted(details.version, 'write', 'writes')}`],
    ['Ends', details.connection_scoped ? 'with its connection' : 'on its own'],
    [
      'Rate limit',
      rate === null ? 'none' : `${whole(rate[0])} a second, ${whole(rate[1])} at once`,
    ],
    ['Capabilities', capabilities.length === 0 ? 'none' : capabilities.join(', ')],
  ];
}

function expiryText({ expires_in_ms }: SessionEntry): string {
  return expires_in_ms === null ? 'never' : duration(expires_in_ms);
}

function stateText({ executing }: SessionEntry): string {
  return executing ? 'executing' : 'idle';
}
