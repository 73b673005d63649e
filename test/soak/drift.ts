/**
 * Whether a figure drifts over one life of a process.
 *
 * Only the second half of the life counts: in the first, tables and pools fill and code is
 * compiled. Of all pairs of samples in it, the median of their slopes (Theil–Sen) says how fast the
 * figure rises, whatever single samples do; and the part of pairs that rise, less the part that
 * fall (Kendall's tau), says whether it rises all the time or was moved by a few. A drift is a rise
 * that is steady and, over that half, larger than both a part of the figure and a least amount:
 * what a figure moves by itself while nothing is wrong.
 */

export interface Limit {
  /** How far it may rise over half a life, as a part of its median. */
  readonly part: number;
  /** And how far at least, in its own unit. */
  readonly least: number;
}

export interface Drift {
  /** Medians of the third and the last quarter. */
  readonly before: number;
  readonly after: number;
  /** What it rises over the second half by its slope. */
  readonly rise: number;
  readonly tau: number;
  readonly allowed: number;
  readonly isDrift: boolean;
}

export interface Point {
  readonly ms: number;
  readonly value: number;
}

/** A rise of noise alone has about 0, with 20 samples nearly never above 0.4. */
const TAU_MIN = 0.4;
/** Fewer samples than this in half a life say nothing. */
export const SAMPLES_MIN = 10;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param points in the order of time; twice `SAMPLES_MIN` of them at least */
export function driftOf(points: readonly Point[], limit: Limit): Drift {
  const half = points.slice(points.length >> 1);
  if (half.length < SAMPLES_MIN) throw new Error(`${half.length} samples are too few`);
  const slopes: number[] = [];
  let rising = 0;
  for (const [index, from] of half.entries()) {
    for (const to of half.slice(index + 1)) {
      slopes.push((to.value - from.value) / (to.ms - from.ms));
      rising += Math.sign(to.value - from.value);
    }
  }
  const rise = median(slopes) * (half[half.length - 1].ms - half[0].ms);
  const tau = rising / slopes.length;
  const values = half.map(({ value }) => value);
  const quarter = values.length >> 1;
  const allowed = Math.max(limit.least, limit.part * Math.abs(median(values)));
  return {
    before: median(values.slice(0, quarter)),
    after: median(values.slice(quarter)),
    rise,
    tau,
    allowed,
    isDrift: rise > allowed && tau >= TAU_MIN,
  };
}
