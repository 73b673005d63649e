/** The open loop: what is due when, and that a request's time counts from then. */
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencyRecorder } from '../../bench/load/latencies.ts';
import { MemcachedLanes } from '../../bench/load/memcached-lanes.ts';
import { OpenConnection } from '../../bench/load/open-connection.ts';
import { Timetable } from '../../bench/load/timetable.ts';

describe('the timetable', () => {
  it('spreads one rate over the connections in turn', () => {
    const table = new Timetable(1_000, 2_000, 4);
    const times = [0, 1, 2, 3].map((connection) => table.dueAt(connection, 0));
    expect(times).toEqual([1_000, 1_000.5, 1_001, 1_001.5]);
    expect(table.dueAt(0, 1)).toBe(1_002);
    expect([999, 1_000, 1_001.9, 1_002].map((now) => table.dueBy(0, now))).toEqual([0, 1, 1, 2]);
    expect(table.dueBy(3, 1_001)).toBe(0);
  });

  it('counts exactly the requests whose time has come', () => {
    const rates = fc.integer({ min: 1, max: 5_000_000 });
    const connections = fc.integer({ min: 1, max: 64 });
    fc.assert(
      fc.property(rates, connections, fc.nat(63), fc.nat(100_000), (rate, of, which, n) => {
        const connection = which % of;
        const table = new Timetable(12_345.678, rate, of);
        const at = table.dueAt(connection, n);
        // A tenth of the distance of two requests: far more than what floats round away.
        const little = 100 / rate;
        expect(table.dueBy(connection, at + little)).toBe(n + 1);
        expect(table.dueBy(connection, at - little)).toBe(n);
      }),
    );
  });
});

class FakeSocket {
  readonly writes: Buffer[] = [];

  write(bytes: Buffer): void {
    this.writes.push(Buffer.from(bytes));
  }
}

/** One connection with two lanes and a request a millisecond from 0 on. */
function setUp() {
  const socket = new FakeSocket();
  const lanes = new MemcachedLanes(0, 2);
  const answered: [number, number][] = [];
  const late: number[] = [];
  const connection = new OpenConnection(socket as unknown as Socket, lanes, 0, 2, {
    answered: (...times) => answered.push(times),
    late: (ms) => late.push(ms),
  });
  const table = new Timetable(0, 1_000, 1);
  const sent = (): number[] => socket.writes.map((bytes) => bytes.byteLength / lanes.frameBytes);
  const reply = (text: string, nowMs: number): void => {
    const bytes = Buffer.from(text);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    connection.data(bytes, view, bytes.byteLength, nowMs);
  };
  return { connection, table, answered, late, sent, reply };
}

describe('a connection of the open loop', () => {
  it('sends what is due and no more, in one write', () => {
    const { connection, table, sent, late } = setUp();
    connection.pump(table, -1);
    connection.pump(table, 1.5);
    connection.pump(table, 1.6);
    expect(sent()).toEqual([2]);
    expect(late).toEqual([1.5]);
  });

  it('counts the time that a request waited for a lane', () => {
    const { connection, table, answered, late, sent, reply } = setUp();
    connection.pump(table, 1);
    connection.pump(table, 5);
    expect(sent()).toEqual([2]);
    reply('HD\r\nHD\r\n', 9);
    connection.pump(table, 9);
    reply('HD\r\n', 20);
    expect(answered).toEqual([
      [0, 9],
      [1, 9],
      [2, 20],
    ]);
    // The server was slow at 9, not the generator.
    expect(late).toEqual([1]);
    expect(connection.unanswered()).toEqual([3]);
  });

  it('takes replies that were split', () => {
    const { connection, table, answered, reply } = setUp();
    connection.pump(table, 1);
    reply('HD\r\nH', 2);
    reply('D\r', 3);
    reply('\n', 4);
    expect(answered).toEqual([
      [0, 2],
      [1, 4],
    ]);
    expect(connection.unanswered()).toEqual([]);
  });

  it('goes round its frames again and again', () => {
    const { connection, table, answered, reply } = setUp();
    for (let ms = 0; ms < 100; ms++) {
      connection.pump(table, ms);
      reply('HD\r\n', ms + 0.25);
    }
    expect(answered).toHaveLength(100);
    expect(answered.at(-1)).toEqual([99, 99.25]);
  });
});

describe('latencies', () => {
  it('are given in microseconds, by their percentiles', () => {
    const recorder = new LatencyRecorder();
    for (let ms = 1; ms <= 1_000; ms++) recorder.record(ms);
    const { p50, p90, p99, 'p99.9': p999, max } = recorder.latencies();
    for (const [found, expected] of [
      [p50, 500],
      [p90, 900],
      [p99, 990],
      [p999, 999],
      [max, 1_000],
    ]) {
      expect(Math.abs(found / (expected * 1e3) - 1)).toBeLessThan(0.002);
    }
    expect(recorder.count).toBe(1_000);
  });

  it('beyond the longest that is told apart are counted as that', () => {
    const recorder = new LatencyRecorder();
    recorder.record(1e9);
    recorder.record(-0.001);
    expect(recorder.count).toBe(2);
    expect(recorder.latencies().max).toBeGreaterThan(59e6);
  });
});
