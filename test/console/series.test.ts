import { describe, expect, it } from 'vitest';
import { HISTORY_COLUMNS, type HistoryRow } from '../../src/console/differences.ts';
import { Series, withoutQuiet } from '../../src/console/series.ts';

const EMPTY = Object.fromEntries(HISTORY_COLUMNS.map((name) => [name, 0])) as HistoryRow;

function row(timeS: number, requests = timeS): HistoryRow {
  return { ...EMPTY, time_ms: timeS * 1e3, requests_per_s: requests };
}

describe('the series of the plots', () => {
  it('takes the history by the names of its columns, and missing ones as none', () => {
    const series = new Series();
    series.load({
      interval_ms: 1_000,
      columns: ['requests_per_s', 'new_one', 'time_ms'],
      rows: [
        [5, 99, 1_000],
        [null, 99, 2_000],
      ],
    });
    expect(series.timesS()).toEqual([1, 2]);
    expect(series.column('requests_per_s')).toEqual([5, null]);
    expect(series.column('p99_us')).toEqual([null, null]);
  });

  it('drops what is older than ten minutes', () => {
    const series = new Series();
    for (let at = 1; at <= 700; at++) series.add(row(at));
    expect(series.timesS().at(0)).toBe(100);
    expect(series.timesS().at(-1)).toBe(700);
  });

  it('holds a bounded number of rows however fast they come', () => {
    const series = new Series();
    for (let at = 1; at <= 3_000; at++) series.add(row(at / 100));
    expect(series.timesS()).toHaveLength(1_400);
    expect(series.timesS().at(-1)).toBe(30);
  });

  it('passes over a row that it has, as after the history was read again', () => {
    const series = new Series();
    for (const at of [1, 2, 2, 1, 3]) series.add(row(at));
    expect(series.timesS()).toEqual([1, 2, 3]);
  });

  it('leaves a gap where nothing was measured', () => {
    const series = new Series();
    for (const at of [1, 2, 4, 60]) series.add(row(at));
    expect(series.column('requests_per_s')).toEqual([1, 2, 4, null, 60]);
  });

  it('is shown as far back as it goes, from half a minute to ten minutes', () => {
    const series = new Series();
    expect(series.windowS(5_000_000)).toEqual([4_970, 5_000]);
    series.add(row(1_000));
    expect(series.windowS(5_000_000)).toEqual([970, 1_000]);
    for (let at = 1_001; at <= 1_300; at++) series.add(row(at));
    expect(series.windowS(5_000_000)).toEqual([1_000, 1_300]);
    for (let at = 1_301; at <= 2_000; at++) series.add(row(at));
    expect(series.windowS(5_000_000)).toEqual([1_400, 2_000]);
  });

  it('forgets all when it is loaded again', () => {
    const series = new Series();
    series.add(row(1));
    series.load({ interval_ms: 1_000, columns: ['time_ms'], rows: [] });
    expect(series.timesS()).toEqual([]);
    expect(series.newestMs).toBe(0);
  });
});

describe('a quiet line', () => {
  it('is not drawn along the axis, but from where it rises to where it is down again', () => {
    expect(withoutQuiet([0, 0, 0, 7, 0, 0])).toEqual([null, null, 0, 7, 0, null]);
    expect(withoutQuiet([0, null, 0])).toEqual([null, null, null]);
    expect(withoutQuiet([3, 4])).toEqual([3, 4]);
  });
});
