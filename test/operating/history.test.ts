/** Rows of the history, against counts that were chosen. */
import { expect, it } from 'vitest';
import { Histogram } from '../../src/core/histogram.ts';
import { HISTORY_COLUMNS, History, type Sample } from '../../src/operating/history.ts';
import { HISTORY_ROWS } from '../../src/operating/limits.ts';

const durations = (): Histogram => new Histogram();

function sample(second: number, totals: number[], histogram: Histogram): Sample {
  const [timeMs, steadyMs] = [1_700_000_000_000 + second * 1e3, second * 1e3];
  return { timeMs, steadyMs, totals, sessions: second, connections: 2, durations: histogram };
}

it('tells what changed in each second, and nothing of the seconds before', () => {
  const histogram = durations();
  histogram.add(1_000_000, 5);
  const history = new History(sample(0, [100, 0, 0, 0, 0, 0], histogram));
  expect(history.rows()).toEqual([]);
  histogram.add(20, 98);
  histogram.add(500, 2);
  history.add(sample(1, [110, 1, 2, 3, 4, 5], histogram));
  history.add(sample(3, [120, 1, 2, 3, 4, 6], histogram));
  const first = [1_700_000_001_000, 10, 1, 2, 3, 4, 5, 1, 2, 20, 511, 511];
  const second = [1_700_000_003_000, 5, 0, 0, 0, 0, 0.5, 3, 2, null, null, null];
  expect(history.rows()).toEqual([first, second]);
  for (const row of history.rows()) expect(row).toHaveLength(HISTORY_COLUMNS.length);
});

it('keeps the last ten minutes, oldest first', () => {
  const histogram = durations();
  const none = [0, 0, 0, 0, 0, 0];
  const history = new History(sample(0, none, histogram));
  for (let second = 1; second <= 2 * HISTORY_ROWS + 7; second++) {
    history.add(sample(second, none, histogram));
    // A timer that comes twice at one moment adds nothing.
    history.add(sample(second, none, histogram));
  }
  const sessions = history.rows().map((row) => row[HISTORY_COLUMNS.indexOf('sessions')]);
  const last = 2 * HISTORY_ROWS + 7;
  expect(sessions).toEqual(Array.from({ length: HISTORY_ROWS }, (_, i) => last - 599 + i));
});
