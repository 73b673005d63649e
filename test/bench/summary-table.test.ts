/** What the runner makes of the files of its parts. */
import { describe, expect, it } from 'vitest';
import { failedPart, type PartResults, partResultsOf } from '../../bench/lib/part-results.ts';
import { runPart } from '../../bench/lib/run-part.ts';
import { numberText, summaryText } from '../../bench/lib/summary-table.ts';

const ROW = { what: '50 × 1', figure: 5, unit: 'requests/s', min: 4, max: 6, rounds: 3 };
const PEER_ROW = { ...ROW, peer: 'redis', ratio: 0.9, budget: 'tcp-50x1', holds: false };

function fileOf(fields: object): PartResults {
  return partResultsOf('tcp', 1, JSON.stringify(fields));
}

function textOf(...parts: PartResults[]): string {
  return summaryText({
    machine: 'a machine',
    date: '2026-01-02',
    isQuick: false,
    minutes: 2,
    parts,
  });
}

describe('the file of a part', () => {
  it('needs its rows only', () => {
    expect(fileOf({ summary: [ROW] })).toEqual({
      name: 'tcp',
      seconds: 1,
      versions: {},
      skipped: [],
      rows: [ROW],
    });
  });

  it('gives versions, what was left out, and rows with all their fields', () => {
    const skipped = [{ what: 'memcached', why: 'it is not installed' }];
    const versions = { redis: '7.0.15' };
    const results = fileOf({ machine: 'x', versions, skipped, summary: [ROW, PEER_ROW], more: 1 });
    expect(results).toMatchObject({ versions, skipped, rows: [ROW, PEER_ROW] });
  });

  it.each([
    ['no list of rows', {}, 'summary is not a list'],
    ['a row that is none', { summary: [3] }, 'a row is not an object: 3'],
    ['a row without a figure', { summary: [{ ...ROW, figure: null }] }, 'figure is not a number'],
    ['a verdict that is none', { summary: [{ ...ROW, holds: 'yes' }] }, 'holds is not a boolean'],
  ])('with %s is a failure of the part', (_, fields, why) => {
    const { rows, failure } = fileOf(fields);
    expect(rows).toEqual([]);
    expect(failure).toContain(why);
  });

  it('that is cut off is a failure of the part', () => {
    expect(partResultsOf('tcp', 1, '{"summary": [').failure).toContain('bench/results/tcp.json');
  });
});

describe('running a part', () => {
  it('that has no script is a failure with a name', async () => {
    const { failure } = await runPart({ name: 'nothing' }, []);
    expect(failure).toBe('there is no bench/nothing.ts');
  });

  it('gives the rows that it wrote, and none of an earlier run', async () => {
    const good = await runPart({ name: 'layout' }, ['--quick', '--rounds', '1'], 'hidden');
    expect(good.failure).toBeUndefined();
    expect(good.rows.filter(({ budget }) => budget === 'bytes-per-session')).toHaveLength(1);
    const silent = await runPart({ name: 'layout', script: 'lib/stats' }, [], 'hidden');
    expect(silent.failure).toBe('it wrote no layout.json');
  });

  it('that ends with an error gives its last word', async () => {
    const { failure } = await runPart({ name: 'layout', args: ['--nonsense'] }, [], 'hidden');
    expect(failure).toContain("Unknown option '--nonsense'");
  });
});

describe('the summary', () => {
  it('names the machine, the versions and the time', () => {
    const text = textOf(fileOf({ versions: { redis: '7' }, summary: [ROW] }));
    expect(text).toContain('2026-01-02; a machine');
    expect(text).toContain('redis 7, 2.0 minutes');
    expect(text).not.toContain('quick');
  });

  it('has a line for each figure, with ratio and verdict', () => {
    const lines = textOf(fileOf({ summary: [ROW, PEER_ROW] })).split('\n');
    expect(lines).toContain('| tcp: 50 × 1 | sessile | 5 | 4–6 | requests/s | 3 |  |  |  |');
    expect(lines).toContain(
      '| tcp: 50 × 1 | redis | 5 | 4–6 | requests/s | 3 | 0.90× | ≥ 1 × | **no** |',
    );
  });

  it('says of each budget of its parts whether it holds, or that it was not measured', () => {
    const recovery = { ...ROW, figure: 2_500, unit: 'ms', budget: 'recovery', holds: true };
    const text = textOf(
      fileOf({ summary: [ROW, PEER_ROW] }),
      partResultsOf('recovery', 1, JSON.stringify({ summary: [recovery] })),
      failedPart('garbage', 1, 'it broke'),
    );
    const lines = text.split('\n');
    expect(lines).toContain('| 50 × 1 over TCP, against Redis | ≥ 1 × | 0.90 × | **no** |');
    expect(lines).toContain('| 50 × 16 over TCP, against Redis | ≥ 1.20 × | not measured | – |');
    expect(lines).toContain('| recovery of a million sessions | ≤ 5,000 ms | 2,500 ms | yes |');
    expect(text).toContain('over 10 million requests | ≤ 0 collections | not measured: it broke |');
    expect(text).not.toContain('lru-cache');
  });

  it('has a line for what was left out and for a part that failed, whatever they said', () => {
    const skipped = [{ what: 'a|b', why: 'two\nlines' }];
    const text = textOf(fileOf({ skipped, summary: [] }), failedPart('store', 1, 'a\n| b'));
    expect(text).toContain('| tcp: a\\|b | left out: two lines |');
    expect(text).toContain('| store | none: a \\| b |');
  });

  it('writes numbers with the digits that count', () => {
    expect([1_234_567, 123.45, 12.345, 1.2345, 0.012, 3].map(numberText)).toEqual([
      '1,234,567',
      '123',
      '12.3',
      '1.23',
      '0.01',
      '3',
    ]);
  });
});
