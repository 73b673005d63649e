import { describe, expect, it } from 'vitest';
import { differenceOf } from '../../src/console/differences.ts';
import { headline, sentence } from '../../src/console/headline.ts';
import type { ShardJournal, Status } from '../../src/console/status.ts';
import { connected, histogram, plain, shard, status, totals } from './statuses.ts';

function said(older: Status, newer: Status): string {
  return plain(sentence(headline(newer, differenceOf(older, newer))));
}

const START = status({ uptime_ms: 1_000 });

describe('the headline', () => {
  it('says what is served, from where, how full, how fast, and that nothing is refused', () => {
    const newer = status({
      uptime_ms: 2_000,
      sessions: 8_123,
      totals: totals({ requests: 12_000, calls: 400, replays: 30 }),
      duration: histogram([64, 12_400], [420, 300]),
      front_end: connected(50),
    });
    expect(said(START, newer)).toBe(
      'Serving 12 430 requests a second from 50 connections; ' +
        '8 123 of 100 000 sessions live; p99 0.42 ms; nothing refused.',
    );
  });

  it('says when nobody asks for anything', () => {
    const newer = status({ uptime_ms: 2_000, front_end: connected(1) });
    expect(said(START, newer)).toBe(
      'No requests now from 1 connection; 0 of 100 000 sessions live; nothing refused.',
    );
  });

  it('says when nobody is there', () => {
    expect(said(START, status({ uptime_ms: 2_000 }))).toBe(
      'Waiting for clients: no connections; 0 of 100 000 sessions live; nothing refused.',
    );
  });

  it('says that sessions make room for others, and what is refused', () => {
    const newer = status({
      uptime_ms: 3_000,
      sessions: 100_000,
      totals: totals({ requests: 2, evicted: 80, errors: 7 }),
      front_end: connected(2),
    });
    expect(said(START, newer)).toBe(
      'Serving 1.0 requests a second from 2 connections; 100 000 of 100 000 sessions live, ' +
        '40 a second evicted to make room; 3.5 a second refused.',
    );
    const troubles = headline(newer, differenceOf(START, newer)).filter(
      ({ kind }) => kind === 'trouble',
    );
    expect(troubles.map(({ text }) => plain(text))).toEqual(['3.5 a second refused']);
  });

  it.each([
    ['failed', 'The journal of shard 3 cannot be written. Waiting'],
    ['full', 'The journal of shard 3 is full. Waiting'],
    ['ok', 'Waiting'],
  ])('begins with a journal that is %s', (state, start) => {
    const journal = { state } as ShardJournal;
    const newer = status({ uptime_ms: 2_000, shards: [shard({ shard: 3, journal })] });
    expect(said(START, newer).startsWith(start)).toBe(true);
  });
});
