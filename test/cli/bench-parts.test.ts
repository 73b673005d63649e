/** The parts of the load that know neither a clock nor a server. */
import { describe, expect, test } from 'vitest';
import { Busy, Lanes } from '../../src/cli/bench/lanes.ts';
import { Pace } from '../../src/cli/bench/pace.ts';
import { planOf } from '../../src/cli/bench/plan.ts';
import { afterRefusal, registerPauseMs } from '../../src/cli/bench/refusals.ts';
import { ReplyReader } from '../../src/cli/bench/reply-reader.ts';
import { csvOf, type Report } from '../../src/cli/bench/report.ts';
import { reportText } from '../../src/cli/bench/report-text.ts';
import { seededBytes } from '../../src/cli/bench/seed.ts';
import { Tally } from '../../src/cli/bench/tally.ts';
import { styleFor } from '../../src/cli/terminal/style.ts';
import { FrameBuffer } from '../../src/transport/frame-buffer.ts';
import { parseCsv } from './csv.ts';

const GIVEN = { size: 64, operation: 'echo', warmUp: 0, reconnectMs: 2000 };
const FOREVER = Number.POSITIVE_INFINITY;

/** All that is ready at a time is sent; the times from which its latency counts. */
function sendAll(pace: Pace, nowMs: number): number[] {
  const dues: number[] = [];
  while (pace.ready(nowMs)) dues.push(pace.take());
  return dues;
}

describe('the pace', () => {
  test('of a closed loop gives out a request whenever there is room, until the last', () => {
    const pace = new Pace(0, 3);
    expect(pace.ready(0)).toBe(false);
    pace.start(100);
    expect(sendAll(pace, 100)).toEqual([-1, -1, -1]);
    expect(pace.isOver).toBe(true);
  });

  test('of an open loop keeps to its schedule, whatever time it is asked at', () => {
    const pace = new Pace(1000, FOREVER);
    pace.start(50);
    expect(sendAll(pace, 50)).toEqual([50]);
    expect(sendAll(pace, 50.9)).toEqual([]);
    expect(sendAll(pace, 53.5)).toEqual([51, 52, 53]);
    expect(pace.nextMs).toBe(54);
  });

  test('counts the latency of what a stall delayed from the time it was due', () => {
    const pace = new Pace(100, FOREVER);
    const tally = new Tally();
    pace.start(0);
    // The server answers at once, but nothing at all from 20 ms until 120 ms.
    for (const nowMs of [0, 10, 120]) {
      for (const due of sendAll(pace, nowMs)) tally.succeeded(due, nowMs);
    }
    expect(tally.ok).toBe(13);
    // 0, 0, then 100, 90 … 0: without the schedule they would all have been 0.
    expect(tally.latency().max).toBe(100_000);
    expect(tally.latency().p50).toBeGreaterThan(39_000);
  });

  test('does not drift: the millionth request is due at its exact time', () => {
    const pace = new Pace(3, FOREVER);
    pace.start(0);
    for (let i = 0; i < 999_999; i++) pace.take();
    expect(pace.nextMs).toBe(999_999 * (1000 / 3));
  });

  test('tells how many were due and could not be sent, and none after the limit', () => {
    const pace = new Pace(1000, 10);
    pace.start(0);
    pace.take();
    expect(pace.behind(4)).toBe(4);
    expect(pace.behind(500)).toBe(9);
    pace.stop();
    expect(pace.behind(500)).toBe(0);
    expect(pace.ready(500)).toBe(false);
  });
});

describe('the tally', () => {
  test('has the percentiles of known values, to a thousandth', () => {
    const tally = new Tally();
    for (let ms = 1; ms <= 1000; ms++) tally.succeeded(0, ms);
    const { p50, p90, p99, p999, max, mean } = tally.latency();
    const near = (value: number, us: number) => {
      expect(value / us).toBeGreaterThan(0.999);
      expect(value / us).toBeLessThan(1.001);
    };
    near(p50, 500_000);
    near(p90, 900_000);
    near(p99, 990_000);
    near(p999, 999_000);
    expect(max).toBe(1_000_000);
    expect(mean).toBe(500_500);
  });

  test('counts equal latencies of a batch one by one', () => {
    const tally = new Tally();
    for (let i = 0; i < 99; i++) tally.succeeded(10, 10.125);
    tally.succeeded(10, 12);
    expect(tally.ok).toBe(100);
    expect(tally.latency()).toMatchObject({ p50: 125, p99: 125, max: 2000, mean: 143.75 });
  });

  test('tells tenths of a microsecond apart', () => {
    const tally = new Tally();
    tally.succeeded(0, 0.0123);
    expect(tally.latency().p50).toBe(12.3);
  });

  test('counts errors by code, and forgets all when the load was only to warm up', () => {
    const tally = new Tally();
    for (const code of ['evicted', 'rate_limited', 'evicted']) tally.failed(code);
    tally.succeeded(0, 1);
    expect(Object.fromEntries(tally.errors)).toEqual({ evicted: 2, rate_limited: 1 });
    expect(tally).toMatchObject({ failures: 3, answered: 4 });
    tally.reset();
    expect(tally).toMatchObject({ failures: 0, answered: 0, lateness: 0 });
    expect(tally.latency()).toEqual({ p50: 0, p90: 0, p99: 0, p999: 0, max: 0, mean: 0 });
  });
});

describe('the sessions of a connection', () => {
  test('are used in turn, the one that has waited longest first', () => {
    const lanes = new Lanes(3);
    for (const lane of [0, 1, 2]) lanes.push(lane);
    const used: number[] = [];
    for (let i = 0; i < 7; i++) {
      const lane = lanes.pop();
      used.push(lane);
      lanes.push(lane);
    }
    expect(used).toEqual([0, 1, 2, 0, 1, 2, 0]);
    expect(lanes.idle).toBe(3);
  });

  /** The frame of a reply about a session of the run, in the widths that are given. */
  function read(lanes: Lanes, session: number[], request: number[], status = 0): ReplyReader {
    const id = [...new Array(12).fill(7), 0, 0, 0, 5];
    const body = [0x96, 18, 0xc4, 16, ...id, ...session, ...request, status, 0xc0];
    const bytes = Uint8Array.from([0xce, 0, 0, 0, body.length, ...body]);
    const frames = new FrameBuffer(1000);
    frames.feed(bytes, new DataView(bytes.buffer), bytes.byteLength);
    frames.next();
    const reader = new ReplyReader(lanes, 4);
    expect(reader.read(frames)).toBe(true);
    return reader;
  }

  test.each([
    ['one byte', [9], 9, 0],
    ['uint 8', [0xcc, 200], 200, 0],
    ['uint 16', [0xcd, 1, 0], 256, 0],
    ['uint 32', [0xce, 0, 1, 0, 0], 65_536, 0],
    ['uint 64', [0xcf, 0, 0, 0, 3, 0, 0, 0, 9], 9, 3],
  ])('read a reply whose session is %s', (_, bytes, low, high) => {
    const lanes = new Lanes(2);
    lanes.busy[1] = Busy.OPEN;
    lanes.sessionLow[1] = low;
    lanes.sessionHigh[1] = high;
    lanes.request[1] = 258;
    expect(read(lanes, bytes, [0xcd, 1, 2], 4)).toMatchObject({ lane: 1, status: 4 });
    expect(read(lanes, bytes, [0xcd, 1, 1]).lane, 'an earlier request').toBe(-1);
    expect(read(lanes, [8], [0xcd, 1, 2]).lane, 'another session').toBe(-1);
    lanes.busy[1] = Busy.IDLE;
    expect(read(lanes, bytes, [0xcd, 1, 2]).lane, 'nothing is open').toBe(-1);
  });
});

test('after a refusal a session waits as told, and distrusts its numbers where it must', () => {
  expect(afterRefusal('rate_limited', { retry_after_ms: 30 })).toEqual({
    pauseMs: 30,
    isOutOfStep: false,
  });
  expect(afterRefusal('rate_limited', { retry_after_ms: null }).pauseMs).toBeGreaterThan(0);
  expect(afterRefusal('server_busy', {}).pauseMs).toBeGreaterThan(0);
  expect(afterRefusal('forbidden', {})).toEqual({ pauseMs: 0, isOutOfStep: false });
  expect(afterRefusal('request_gap', {}).isOutOfStep).toBe(true);
  // A register that is refused for good is not tried again at once; one that may wait waits less.
  const [never, busy] = ['forbidden', 'sessions_exhausted'].map((code) =>
    registerPauseMs(afterRefusal(code, {})),
  );
  expect(never).toBeGreaterThan(busy);
  expect(busy).toBe(afterRefusal('sessions_exhausted', {}).pauseMs);
});

test('a seed gives the same bytes each time, and other bytes for another purpose', () => {
  expect(seededBytes('a', 'body', 100)).toEqual(seededBytes('a', 'body', 100));
  expect(seededBytes('a', 'body', 100)).toHaveLength(100);
  expect(seededBytes('a', 'body', 12)).not.toEqual(seededBytes('a', 'ids', 12));
  expect(seededBytes('a', 'body', 12)).not.toEqual(seededBytes('b', 'body', 12));
});

describe('the plan', () => {
  test('has a session for each request in flight unless told otherwise', () => {
    expect(planOf(GIVEN)).toMatchObject({ connections: 4, inFlight: 16, sessions: 64, rate: 0 });
    expect(planOf({ ...GIVEN, connections: 2, pipeline: 3, sessions: 100 }).sessions).toBe(100);
    expect(planOf({ ...GIVEN, requests: 5 })).toMatchObject({ requests: 5, seconds: undefined });
  });

  test.each([
    [{ connections: 0 }, '-c'],
    [{ pipeline: 70_000 }, '-P'],
    [{ sessions: 63 }, '--sessions'],
    [{ requests: 0 }, '-n'],
    [{ requests: 5, duration: 5 }, '-n'],
    [{ requests: 5, warmUp: 1 }, '--warm-up'],
    [{ duration: 0 }, '-d'],
    [{ rate: 0 }, '--rate'],
    [{ size: 2 ** 30 }, '--size'],
    [{ body: '{' }, '--body'],
  ])('refuses %o, and names the option', (given, option) => {
    expect(() => planOf({ ...GIVEN, ...given })).toThrow(option);
  });
});

describe('the report', () => {
  const REPORT: Report = {
    engine: '0.1.0',
    address: '127.0.0.1:7377',
    own_server: false,
    shards: 1,
    operation: 'put, "quoted"',
    body_bytes: 66,
    connections: 1,
    in_flight: 2,
    sessions: 2,
    mode: 'open',
    rate: 1000,
    seed: 's',
    ended: 'done',
    seconds: 2,
    ok: 1500,
    failed: 500,
    unanswered: 0,
    not_sent: 0,
    requests_per_s: 750,
    latency_us: { p50: 61.3, p90: 70, p99: 999.4, p999: 1500, max: 2_500_000, mean: 80 },
    send_lag_p99_us: 10,
    errors: { rate_limited: 400, evicted: 100 },
    retries: 0,
    reconnects: 0,
    registered: 2,
    register_errors: {},
    sessions_ended: 0,
    bytes_in: 2048,
    bytes_out: 4096,
    generator_cpu: 1,
  };
  const plain = styleFor({ isTTY: false });

  test('as text has figures with their units, and no escape sequences where none may be', () => {
    const text = reportText(REPORT, plain);
    for (const part of ['1,500', '750', '61.3 µs', '999 µs', '1.50 ms', '2.50 s', '2.00 KiB/s']) {
      expect(text).toContain(part);
    }
    expect(text).toMatch(/rate_limited +400 +20 %/);
    expect(text).toContain('open loop at 1,000/s');
    expect(text).not.toContain('\u001b');
    // An open loop waits awake: its use of a processor says nothing.
    expect(text).not.toContain('of a processor');
  });

  test('says what makes the figures less than they seem', () => {
    const said = (more: Partial<Report>) => reportText({ ...REPORT, ...more }, plain);
    expect(said({ send_lag_p99_us: 5000 })).toContain('late (p99 5.00 ms)');
    expect(said({ not_sent: 7 })).toContain('7 requests of the schedule');
    expect(said({ unanswered: 1 })).toContain('1 request had no answer');
    expect(said({})).not.toContain('registered before');
    const refused = said({ sessions: 9, register_errors: { forbidden: 3, server_busy: 1 } });
    expect(refused).toContain('4 of 9 sessions could not be registered before the load');
    expect(refused).toContain('forbidden=3 server_busy=1');
    expect(said({ ended: 'server_gone' })).toContain('went away');
    expect(said({ ended: 'interrupted' })).toContain('Interrupted');
    expect(said({ rate: null, mode: 'closed' })).toContain('100 % of a processor');
  });

  test('as CSV has a line of names and a line of as many values', () => {
    expect(parseCsv(csvOf(REPORT))).toMatchObject({
      operation: 'put, "quoted"',
      p999_us: '1500',
      errors: 'rate_limited=400 evicted=100',
      rate: '1000',
    });
  });
});
