/** What the benchmark of embedding counts with. */
import { expect, it } from 'vitest';
import {
  emptyHistogram,
  encodeHistogram,
  latenciesOf,
  recordAll,
} from '../../bench/embed/histogram.ts';
import { sessionId } from '../../bench/embed/job.ts';
import { MapStore } from '../../bench/embed/map-store.ts';
import { nanosecondsEach, totalRate } from '../../bench/embed/plan.ts';

function encoded(...milliseconds: number[]): string {
  const histogram = emptyHistogram();
  recordAll(histogram, Float64Array.from(milliseconds));
  return encodeHistogram(histogram);
}

it('adds up the latencies of several threads, in nanoseconds', () => {
  const fast = encoded(...new Array<number>(98).fill(0.001));
  const { p50, p90, p99, max } = latenciesOf([fast, encoded(0.5, 2)]);
  expect([p50, p90]).toEqual([1_000, 1_000]);
  // Three digits are kept.
  expect(p99 / 500_000).toBeCloseTo(1, 2);
  expect(max / 2_000_000).toBeCloseTo(1, 2);
});

it('counts what takes no time, and what takes for ever, as far as it can', () => {
  const { p50, max } = latenciesOf([encoded(0, 0, 1e9)]);
  expect(p50).toBe(1);
  expect(max / 1e10).toBeCloseTo(1, 2);
});

it('adds the rates of threads, and tells what one request took on each', () => {
  const of = (requests: number, seconds: number) => ({ requests, seconds, histogram: '' });
  expect(totalRate([of(1_000, 1), of(1_000, 0.5)])).toBe(3_000);
  expect(nanosecondsEach(2_000_000, 2)).toBe(1_000);
});

it('gives no session of a thread to another one, or to another set', () => {
  const ids = [0, 1].flatMap((thread) =>
    [0, 1].flatMap((set) => [0, 1].map((n) => sessionId(thread, n, set).join())),
  );
  expect(new Set(ids).size).toBe(8);
});

it('the Map that we are compared with keeps the order of requests and gives replies again', () => {
  const store = new MapStore();
  const ask = (number: number, body: unknown) =>
    store.handle({ key: 'a', number, operation: 'put', body });
  expect(ask(1, 'one')).toEqual({ number: 1, status: 'ok', body: 1 });
  expect(ask(1, 'one')).toEqual({ number: 1, status: 'ok', body: 1 });
  expect(ask(3, 'three')).toEqual({ number: 3, status: 'refused', body: 1 });
  expect(ask(2, 'two')).toEqual({ number: 2, status: 'ok', body: 2 });
});
