/** The statistic of the soak, on series that are known. */
import { expect, it } from 'vitest';
import { Random } from '../crash/random.ts';
import { driftOf, median, type Point, SAMPLES_MIN } from './drift.ts';

const SEED = Number(process.env.FC_SEED ?? 7377);
const LIMIT = { part: 0.05, least: 10 };

/** A figure around 100 that moves by up to `noise` to each side, beside what `at` adds. */
function series(seed: number, count: number, noise: number, at: (part: number) => number): Point[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, index) => ({
    ms: index * 250 + random.below(50),
    value: 100 + random.between(-noise, noise) + at(index / count),
  }));
}

it('calls no noise a drift, however large, in a thousand lives', () => {
  for (let seed = SEED; seed < SEED + 1_000; seed++) {
    expect(
      driftOf(
        series(seed, 80, 60, () => 0),
        LIMIT,
      ).isDrift,
      `seed ${seed}`,
    ).toBe(false);
  }
});

it('finds a steady rise through noise of a quarter of it', () => {
  for (let seed = SEED; seed < SEED + 200; seed++) {
    const drift = driftOf(
      series(seed, 80, 20, (part) => part * 160),
      LIMIT,
    );
    expect(drift.isDrift, `seed ${seed}`).toBe(true);
    expect(drift.after).toBeGreaterThan(drift.before);
  }
});

it('lets a figure rise and settle in the first half, and fall', () => {
  const settles = series(SEED, 80, 5, (part) => Math.min(part, 0.45) * 1_000);
  expect(driftOf(settles, LIMIT).isDrift).toBe(false);
  expect(
    driftOf(
      series(SEED, 80, 5, (part) => -part * 100),
      LIMIT,
    ).isDrift,
  ).toBe(false);
});

it('lets a few samples be far off, and a rise within what is allowed', () => {
  const spikes = series(SEED, 80, 5, (part) => (part > 0.95 ? 1_000 : 0));
  expect(driftOf(spikes, LIMIT).isDrift).toBe(false);
  expect(
    driftOf(
      series(SEED, 80, 0, (part) => part * 18),
      LIMIT,
    ).isDrift,
  ).toBe(false);
  expect(
    driftOf(
      series(SEED, 80, 0, (part) => part * 22),
      LIMIT,
    ).isDrift,
  ).toBe(true);
});

it('refuses to judge a life that was too short', () => {
  const points = series(SEED, SAMPLES_MIN * 2 - 2, 1, () => 0);
  expect(() => driftOf(points, LIMIT)).toThrow('too few');
});

it('takes the median of odd and even counts', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
});
