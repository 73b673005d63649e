import { describe, expect, it } from 'vitest';
import * as format from '../../src/console/format.ts';
import { plain } from './statuses.ts';

describe('numbers', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1_000, '1 000'],
    [12_430.4, '12 430'],
    [999.6, '1 000'],
    [1_234_567, '1 234 567'],
  ])('groups the digits of %d', (value, text) => {
    expect(plain(format.whole(value))).toBe(text);
  });

  it('keeps a number in one piece', () => {
    expect(format.whole(1_234_567)).not.toMatch(/ /);
    expect(format.microseconds(420)).not.toMatch(/ /);
  });

  it.each([
    [0, '0'],
    [0.01, 'under 0.1'],
    [0.4, '0.4'],
    [9.94, '9.9'],
    [9.96, '10'],
    [15_324.7, '15 325'],
  ])('tells %d a second', (value, text) => {
    expect(plain(format.perSecond(value))).toBe(text);
  });

  it.each([
    [0, 10, '0 %'],
    [5, 0, '0 %'],
    [1, 100_000, 'under 0.1 %'],
    [8, 100, '8.0 %'],
    [50, 100, '50 %'],
    [9_999, 10_000, '99 %'],
    [10_000, 10_000, '100 %'],
    [105, 100, '105 %'],
  ])('tells %d of %d as a part', (part, all, text) => {
    expect(plain(format.percent(part, all))).toBe(text);
  });

  it('takes the noun that fits', () => {
    expect(format.counted(1, 'session', 'sessions')).toBe('1 session');
    expect(format.counted(0, 'session', 'sessions')).toBe('0 sessions');
  });
});

describe('times', () => {
  it.each([
    [0.4, '0.4 µs'],
    [85, '85 µs'],
    [99.6, '0.10 ms'],
    [420, '0.42 ms'],
    [996, '1.0 ms'],
    [2_040, '2.0 ms'],
    [81_000, '81 ms'],
    [999_600, '1.0 s'],
    [12_400_000, '12 s'],
  ])('tells %d microseconds', (us, text) => {
    expect(plain(format.microseconds(us))).toBe(text);
  });

  it.each([
    [-5, '0 ms'],
    [999.9, '999 ms'],
    [1_000, '1 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [61_000, '1 min 1 s'],
    [3_599_999, '59 min 59 s'],
    [7_440_000, '2 h 4 min'],
    [86_400_000, '1 day'],
    [183_600_000, '2 days 3 h'],
  ])('tells %d milliseconds in two units, and rounds none up', (ms, text) => {
    expect(plain(format.duration(ms))).toBe(text);
  });

  it('tells days and times of the zone of whoever reads', () => {
    const time = new Date(2026, 0, 5, 7, 8, 9).getTime();
    expect(format.clock(time)).toBe('07:08:09');
    expect(format.dateAndClock(time)).toBe('2026-01-05 07:08:09');
  });
});

describe('sizes', () => {
  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [1_023, '1 023 bytes'],
    [1_024, '1.0 KiB'],
    [1_048_100, '1.0 MiB'],
    [181 * 1_048_576, '181 MiB'],
    [3 * 2 ** 50, '3 072 TiB'],
  ])('tells %d bytes', (value, text) => {
    expect(plain(format.bytes(value))).toBe(text);
  });
});
