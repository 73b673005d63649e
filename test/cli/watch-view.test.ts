/** What `top` and `stat` show of two looks at a server, without a server. */
import { EventEmitter } from 'node:events';
import type { ReadStream, WriteStream } from 'node:tty';
import { describe, expect, test } from 'vitest';
import { widthOf } from '../../src/cli/terminal/columns.ts';
import { styleFor } from '../../src/cli/terminal/style.ts';
import { isSameProcess, ratesOf } from '../../src/cli/watch/rates.ts';
import { TerminalScreen } from '../../src/cli/watch/screen.ts';
import { STAT_HEADER, statLine, statObject } from '../../src/cli/watch/stat-line.ts';
import { topView } from '../../src/cli/watch/top-view.ts';
import type { HistogramStatus } from '../../src/core/histogram.ts';
import type { Counts, EngineStatus } from '../../src/workers/status.ts';

const PLAIN = styleFor({ isTTY: false });
const COLOURED = styleFor({ isTTY: true }, {});

function durations(...buckets: [number, number][]): HistogramStatus {
  const count = buckets.reduce((sum, [, each]) => sum + each, 0);
  return { count, sumUs: 0, p50Us: 0, p90Us: 0, p99Us: 0, p999Us: 0, maxUs: 0, buckets };
}

function counts(some: Partial<Counts>): Counts {
  const none = {
    registered: 0,
    resumed: 0,
    requests: 0,
    calls: 0,
    replays: 0,
    commits: 0,
    errors: 0,
  };
  const ends = { evicted: 0, expired: 0, closed: 0, disconnected: 0, removed: 0 };
  return { ...none, ...ends, rateLimited: 0, ...some };
}

/** A status after so many seconds of a steady load. */
function statusAfter(seconds: number, some: Partial<EngineStatus> = {}): EngineStatus {
  const done = counts({ requests: 1000 * seconds, calls: 100 * seconds, evicted: 7 * seconds });
  const journal = {
    segments: 1,
    diskBytes: 4096,
    bufferedBytes: 100,
    batches: seconds,
    syncedBytes: 10,
    sync: durations([500, 10 * seconds]),
    state: 'ok' as const,
  };
  const shard = {
    ...done,
    shard: 0,
    sessions: 40,
    executing: 1,
    ringUsedBytes: 512,
    ringBytes: 1024,
  };
  const operation = { number: 1, count: 10 * seconds, failed: seconds, sampled: 1, maxUs: 90 };
  return {
    engine: '0.1.0',
    node: 'v20.20.2',
    pid: 1,
    timeMs: 1_790_000_000_000 + seconds * 1000,
    uptimeMs: seconds * 1000,
    sessions: 40,
    sessionsMax: 50,
    executing: 1,
    totals: done,
    errors: { evicted: 7 * seconds },
    duration: durations([50, 90 * seconds], [200, 10 * seconds]),
    shards: [{ ...shard, sweepLagMs: 0, journal }],
    operations: [
      { ...operation, name: 'fast', meanUs: 2 },
      { ...operation, name: 'slow', number: 2, meanUs: 80 },
      { ...operation, name: 'idle', number: 3, count: 5, failed: 0, meanUs: 900 },
    ],
    frontEnd: {
      connections: 3,
      connectionsMax: 100,
      accepted: 3,
      refused: 0,
      bytesIn: 2048 * seconds,
      bytesOut: 1024 * seconds,
      eventLoopDelay: { p50Us: 10, p99Us: 1500, maxUs: 2000 },
    },
    memory: { rssBytes: 2 ** 28, heapUsedBytes: 2 ** 24, sharedBytes: 2 ** 26 },
    journal: { folder: '/data', durability: 'commit' },
    ...some,
  };
}

const sample = { before: statusAfter(10), after: statusAfter(12) };
const rates = ratesOf(sample.before, sample.after);

describe('the rates between two looks', () => {
  test('are differences a second, whatever went before', () => {
    expect(rates.intervalMs).toBe(2000);
    expect(rates.perSecond).toMatchObject({ requests: 1000, calls: 100, evicted: 7, expired: 0 });
    expect(rates).toMatchObject({ bytesIn: 2048, bytesOut: 1024, ringFill: 0.5 });
    expect(rates.shards).toMatchObject([{ requests: 1100, evicted: 7 }]);
    expect(rates.operations.map(({ name, perSecond }) => [name, perSecond])).toEqual([
      ['idle', 0],
      ['slow', 10],
      ['fast', 10],
    ]);
  });

  test('have the percentiles of the interval alone', () => {
    const before = statusAfter(10, { duration: durations([9000, 1000]) });
    const after = statusAfter(11, { duration: durations([50, 98], [200, 2], [9000, 1000]) });
    expect(ratesOf(before, after).duration).toEqual({ p50: 50, p99: 200, max: 200 });
    expect(rates.sync).toEqual({ p50: 500, p99: 500, max: 500 });
    expect(ratesOf(before, before).duration).toEqual({ p50: null, p99: null, max: null });
  });

  test('are none across a restart', () => {
    expect(isSameProcess(sample.before, sample.after)).toBe(true);
    expect(isSameProcess(sample.after, sample.before)).toBe(false);
    expect(isSameProcess(sample.before, { ...sample.after, pid: 2 })).toBe(false);
  });
});

describe('the screen of top', () => {
  const view = (width: number, height?: number, style = PLAIN) =>
    topView(sample, rates, '127.0.0.1:7377', { width, height, style });

  test('shows what an operator looks for', () => {
    const text = view(80).join('\n');
    for (const part of [
      'sessile 0.1.0  127.0.0.1:7377  up 12 s',
      '80 %   40 of 50',
      '1000/s   calls 100/s',
      'evicted 7/s   expired 0/s',
      'rate-limited 0/s',
      'most evicted',
      'p50 50.0 µs   p99 200 µs',
      'in 2.00 KiB/s',
      'resident 256 MiB',
      'commit   sync 500 µs, p99 500 µs',
    ]) {
      expect(text).toContain(part);
    }
    expect(text).toMatch(
      /shard +sessions +req\/s .* ring +sync p99\n +0 +40 +1100 .* 50 % +500 µs/,
    );
    // The slowest of those that ran, first.
    expect(text).toMatch(/slow +10 +1 +80\.0 µs +90\.0 µs\nfast/);
    expect(text).not.toContain('\nidle');
    expect(text).not.toContain('\u001b');
  });

  test('is never wider than the terminal, coloured or not', () => {
    for (let width = 40; width <= 120; width++) {
      for (const line of [...view(width), ...view(width, undefined, COLOURED)]) {
        expect(widthOf(line), line).toBeLessThanOrEqual(width);
      }
    }
  });

  test('is never higher than the terminal', () => {
    expect(view(80).length).toBeGreaterThan(12);
    expect(view(80, 12)).toEqual(view(80).slice(0, 12));
  });

  test('says so when there is no journal, or one that has failed', () => {
    const { shards } = sample.after;
    const without = statusAfter(12, { journal: null, shards: [{ ...shards[0], journal: null }] });
    const show = (after: EngineStatus) =>
      topView({ ...sample, after }, ratesOf(sample.before, after), 'x', {
        width: 80,
        height: undefined,
        style: PLAIN,
      }).join('\n');
    expect(show(without)).toContain('memory only');
    const broken = { ...shards[0], journal: { ...shards[0].journal!, state: 'failed' as const } };
    expect(show(statusAfter(12, { shards: [broken] }))).toMatch(/journal +failed/);
  });
});

describe('a line of stat', () => {
  test('has a cell below each name, in 80 columns', () => {
    const line = statLine(sample, rates);
    expect(STAT_HEADER.length).toBeLessThanOrEqual(80);
    expect(line.length).toBe(STAT_HEADER.length);
    expect(
      line
        .trim()
        .split(/ {2,}|(?<=\d) (?=\d)/)
        .slice(1),
    ).toEqual(['40', '3', '1000', '100', '0', '0', '7', '0', '50.0 µs', '200 µs']);
  });

  test('has no durations where nothing was done, as text and as JSON', () => {
    const still = { before: sample.after, after: sample.after };
    const none = ratesOf(still.before, still.after);
    expect(statLine(still, none)).toMatch(/ - +-$/);
    expect(statObject(still, none)).toMatchObject({ p50_us: null, requests_per_s: 0 });
    expect(statObject(sample, rates)).toMatchObject({ requests_per_s: 1000, p99_us: 200 });
  });
});

describe('the terminal', () => {
  class FakeOutput extends EventEmitter {
    columns = 80;
    rows = 24;
    text = '';
    write(text: string): void {
      this.text += text;
    }
  }

  class FakeInput extends EventEmitter {
    isRaw = false;
    setRawMode(isRaw: boolean): void {
      this.isRaw = isRaw;
    }
    pause(): void {}
  }

  function screenOn(output: FakeOutput, input: FakeInput): TerminalScreen {
    return new TerminalScreen(output as unknown as WriteStream, input as unknown as ReadStream);
  }

  test.each(['q', 'Q', '\u0003', '\u0004', 'xq'])('is left at the key %j', (key) => {
    const output = new FakeOutput();
    const input = new FakeInput();
    const screen = screenOn(output, input);
    let quits = 0;
    screen.enter(
      () => quits++,
      () => {},
    );
    expect(input.isRaw).toBe(true);
    input.emit('data', Buffer.from('x'));
    expect(quits).toBe(0);
    input.emit('data', Buffer.from(key));
    expect(quits).toBe(1);
    screen.leave();
  });

  test('is as it was when the process ends, whatever ends it, and only once', () => {
    const output = new FakeOutput();
    const input = new FakeInput();
    const screen = screenOn(output, input);
    const before = process.listenerCount('exit');
    screen.enter(
      () => {},
      () => {},
    );
    screen.draw(['one', 'two']);
    expect(output.text).toContain('\u001b[?1049h');
    expect(output.text).toMatch(/one.*\r\ntwo/);
    process.listeners('exit').at(-1)?.call(process, 0);
    screen.leave();
    expect(output.text.match(/1049l/g)).toHaveLength(1);
    expect(output.text).toContain('\u001b[?25h');
    expect(input.isRaw).toBe(false);
    expect(process.listenerCount('exit')).toBe(before);
    const text = output.text;
    screen.draw(['three']);
    expect(output.text).toBe(text);
  });
});
