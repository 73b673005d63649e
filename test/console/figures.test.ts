import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { differenceOf } from '../../src/console/differences.ts';
import { FIELDS, plotText, type View } from '../../src/console/fields.ts';
import {
  detailRows,
  endRows,
  operationRows,
  refusalRows,
  sessionRow,
  shardRows,
} from '../../src/console/rows.ts';
import { isStatus, type SessionDetails, type Status } from '../../src/console/status.ts';
import { histogram, plain, shard, status, totals } from './statuses.ts';

function view(newer: Status, older = newer): View {
  return { status: newer, recent: differenceOf(older, newer) };
}

function plainRows(rows: readonly (readonly string[])[]): string[][] {
  return rows.map((cells) => cells.map(plain));
}

const PAGE = readFileSync(new URL('../../src/console/index.html', import.meta.url), 'utf8');

describe('the figures of the page', () => {
  it('are those that the page has places for', () => {
    const places = [...PAGE.matchAll(/data-field="([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(places)).toEqual(new Set(Object.keys(FIELDS)));
  });

  it('can be told without a journal, and with one in several shards', () => {
    const none = view(status());
    expect(FIELDS.journal_folder(none)).toBe('–');
    expect(FIELDS.journal_state(none)).toBe('–');
    const journal = {
      segments: 2,
      disk_bytes: 1_048_576,
      buffered_bytes: 512,
      batches: 5,
      synced_bytes: 2_048,
      sync: histogram([100, 98], [900, 2]),
      state: 'ok',
    };
    const two = status({
      journal: { folder: '/data', durability: 'commit' },
      shards: [shard({ journal }), shard({ journal: { ...journal, state: 'full' } })],
    });
    const texts = Object.entries(FIELDS).filter(([name]) => name.startsWith('journal_'));
    expect(texts.map(([name, field]) => [name, plain(field(view(two)))])).toEqual([
      ['journal_folder', '/data'],
      ['journal_durability', 'on disk before each reply'],
      ['journal_state', 'full'],
      ['journal_sync', 'p50 0.10 ms, p99 0.90 ms'],
      ['journal_segments', '4 segments, 2.0 MiB'],
      ['journal_waiting', '1.0 KiB'],
      ['journal_written', '4.0 KiB in 10 batches'],
    ]);
  });

  it('say in words what the plots show', () => {
    const older = status({ uptime_ms: 1_000 });
    const newer = status({
      uptime_ms: 2_000,
      totals: totals({ requests: 1_000, errors: 2 }),
      duration: histogram([64, 990], [512, 10]),
    });
    expect(plain(plotText('throughput', view(newer, older)))).toBe(
      'now 1 000 requests, 0 calls, 0 replays and 2.0 refusals a second',
    );
    expect(plain(plotText('latency', view(newer, older)))).toBe('now p50 64 µs and p99 64 µs');
    expect(plotText('latency', view(older, older))).toBe('now no requests');
  });
});

describe('the rows of the tables', () => {
  it('tell why sessions ended, since the start and now', () => {
    const older = status({ uptime_ms: 1_000, totals: totals({ evicted: 10 }) });
    const newer = status({ uptime_ms: 2_000, totals: totals({ evicted: 50, closed: 2_000 }) });
    expect(plainRows(endRows(view(newer, older)))).toEqual([
      ['Evicted to make room', '50', '40'],
      ['Expired', '0', '0'],
      ['Closed by their client', '2 000', '2 000'],
      ['Ended with a connection', '0', '0'],
      ['Removed by an operator', '0', '0'],
    ]);
  });

  it('tell refusals by their code, the most frequent first', () => {
    const older = status({ uptime_ms: 1_000, errors: { rate_limited: 5 } });
    const errors = { no_session: 1, forbidden: 1, rate_limited: 9, request_gap: 0 };
    expect(plainRows(refusalRows(view(status({ uptime_ms: 3_000, errors }), older)))).toEqual([
      ['rate limited', '9', '2.0'],
      ['forbidden', '1', '0.5'],
      ['no session', '1', '0.5'],
    ]);
  });

  it('tell the slowest operations first, and no times of what was never timed', () => {
    const operation = { number: 1, count: 64, failed: 0, sampled: 1, mean_us: 1, max_us: 2 };
    const operations = [
      { ...operation, name: 'fast' },
      { ...operation, name: 'slow', failed: 3, mean_us: 1_500, max_us: 20_000 },
      { ...operation, name: 'new', count: 1, sampled: 0, mean_us: 0, max_us: 0 },
    ];
    expect(plainRows(operationRows(view(status({ operations }))))).toEqual([
      ['slow', '64', '3', '1.5 ms', '20 ms'],
      ['fast', '64', '0', '1.0 µs', '2.0 µs'],
      ['new', '1', '0', '–', '–'],
    ]);
    const many = Array.from({ length: 50 }, () => ({ ...operation, name: 'any' }));
    expect(operationRows(view(status({ operations: many })))).toHaveLength(8);
  });

  it('tell how full each shard is beside its even share', () => {
    const shards = [
      shard({ shard: 0, sessions: 25 }),
      shard({ shard: 1, sessions: 55, ring_used_bytes: 524_288 }),
    ];
    const rows = shardRows(status({ sessions_max: 100, shards }));
    expect(plainRows(rows.map(({ cells }) => cells))).toEqual([
      ['0', '25', '50 %', 'nothing'],
      ['1', '55', '110 %', '50 %'],
    ]);
    expect(rows.map(({ part }) => part)).toEqual([0.5, 1]);
  });

  const details: SessionDetails = {
    id: '0f1e2d3c4b5a69788796a5b4c3d2e1f0',
    session: 12,
    request: 3,
    created_ms: 1_790_000_000_000,
    last_activity_ms: 1_790_000_060_000,
    idle_ms: 5_000,
    ttl_ms: 3_600_000,
    expires_in_ms: 3_595_000,
    version: 1,
    data_bytes: 2_048,
    executing: false,
    connection_scoped: true,
    rate: [100, 20],
    capabilities: ['admin', 'export'],
  };

  it('tell of a session what matters in a list', () => {
    expect(sessionRow(details).map(plain)).toEqual([
      details.id,
      '3',
      '5 s',
      '59 min 55 s',
      '2.0 KiB',
      'idle',
    ]);
  });

  it('tell all of a session that is open', () => {
    const rows = Object.fromEntries(detailRows(details).map(([name, text]) => [name, plain(text)]));
    expect(rows).toMatchObject({
      State: 'idle',
      'Last request': '3',
      Age: '1 min 5 s',
      'Time to live': '1 h',
      'Expires in': '59 min 55 s',
      Data: '2.0 KiB, 1 write',
      Ends: 'with its connection',
      'Rate limit': '100 a second, 20 at once',
      Capabilities: 'admin, export',
    });
    const bare = { ...details, request: 0, ttl_ms: null, expires_in_ms: null, rate: null };
    const others = Object.fromEntries(detailRows({ ...bare, capabilities: [], executing: true }));
    expect(others).toMatchObject({
      State: 'executing',
      'Last request': 'none yet',
      'Time to live': 'for ever',
      'Expires in': 'never',
      'Rate limit': 'none',
      Capabilities: 'none',
    });
  });
});

describe('an answer that is none of a server of ours', () => {
  it.each([null, 'text', 7, [], {}, { uptime_ms: 1, sessions: 2 }])(
    'is told apart: %j',
    (value) => {
      expect(isStatus(value)).toBe(false);
      expect(isStatus(status())).toBe(true);
    },
  );
});
