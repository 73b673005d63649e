/** Figures of rounds, of which some may have failed, and the rows that are made of them. */
import { describe, expect, it } from 'vitest';
import { BUDGETS, holds } from '../../bench/lib/budgets.ts';
import { PARTS, partsNamed } from '../../bench/lib/parts.ts';
import { arePaired, median, pairedRatio, summarize } from '../../bench/lib/stats.ts';
import { ourRow, peerRow } from '../../bench/lib/summary.ts';

describe('statistics of rounds', () => {
  it('the median is the middle one, or between the middle two', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([10, 1, 2, 3])).toBe(2.5);
    expect(() => median([])).toThrow('nothing');
  });

  it('failed rounds count for nothing', () => {
    expect(summarize([4, null, 2, null])).toEqual({ median: 3, min: 2, max: 4, rounds: 2 });
  });

  it('a ratio is made of pairs of the same round only', () => {
    // Unpaired medians would give 30 / 2.
    expect(pairedRatio([10, 30, 90], [10, 2, 1])).toBe(15);
    expect(pairedRatio([10, null, 30, 40], [5, 1, null, 10])).toBe(3);
  });

  it('rounds that never met make no ratio', () => {
    expect(arePaired([1, null], [null, 1])).toBe(false);
    expect(arePaired([1, null], [2])).toBe(true);
    expect(arePaired([null, 1], [2])).toBe(false);
  });
});

describe('rows', () => {
  const nanoseconds = { what: 'touch', unit: 'ns', values: [100, 200], better: 'less' } as const;
  const rates = { what: '50 × 1', unit: 'requests/s', values: [300, 300], better: 'more' } as const;

  it('a ratio above 1 says that ours is better, for times and for rates', () => {
    expect(peerRow(nanoseconds, 'Map', [200, 400]).ratio).toBe(2);
    expect(peerRow(rates, 'redis', [100, 150]).ratio).toBe(2.5);
  });

  it('a row of a peer has its own figures', () => {
    const row = peerRow(nanoseconds, 'Map', [200, 400]);
    expect(row).toMatchObject({ peer: 'Map', figure: 300, min: 200, max: 400, rounds: 2 });
  });

  it('a budget of a ratio is kept at its limit and missed below', () => {
    const at = (value: number): boolean | undefined =>
      peerRow({ ...nanoseconds, values: [100] }, 'lru-cache', [value], 'touch-10k').holds;
    expect([at(250), at(249)]).toEqual([true, false]);
  });

  it('a budget of a figure is kept at its limit and missed above', () => {
    expect(ourRow('recovery', 'ms', [5_000], 'recovery').holds).toBe(true);
    expect(ourRow('recovery', 'ms', [5_001], 'recovery').holds).toBe(false);
    expect(ourRow('sessions', 'sessions', [16_000_000], 'sessions').holds).toBe(true);
    expect(ourRow('collections', 'collections', [0, 0, 1], 'collections').holds).toBe(true);
  });

  it('a budget of a ratio cannot be judged by a row without one', () => {
    expect(() => holds(BUDGETS['tcp-50x1'], { figure: 1 })).toThrow('has no ratio');
  });
});

describe('parts', () => {
  it('every budget is answered by a part that there is', () => {
    const names = PARTS.map(({ name }) => name);
    for (const { part } of Object.values(BUDGETS)) expect(names).toContain(part);
  });

  it('are all run unless some are named, in one order', () => {
    expect(partsNamed([])).toBe(PARTS);
    expect(partsNamed(['tcp', 'table']).map(({ name }) => name)).toEqual(['table', 'tcp']);
    expect(() => partsNamed(['tpc'])).toThrow('--only tpc: one of table, store');
  });
});
