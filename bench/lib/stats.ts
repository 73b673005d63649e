/**
 * The figures of repeated measurements. Medians, because one disturbed round must not move them.
 */

/** One figure a round; null where the round failed, so that the others keep their places. */
export type Rounds = readonly (number | null)[];

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Rounds that count. */
  readonly rounds: number;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('there is no median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function summarize(values: Rounds): Summary {
  const counted = values.filter((value) => value !== null);
  return {
    median: median(counted),
    min: Math.min(...counted),
    max: Math.max(...counted),
    rounds: counted.length,
  };
}

/** The median of the ratios round by round: both sides of a pair met the same disturbance. */
export function pairedRatio(top: Rounds, bottom: Rounds): number {
  const ratios: number[] = [];
  for (const [round, value] of top.entries()) {
    const other = bottom[round] ?? null;
    if (value !== null && other !== null) ratios.push(value / other);
  }
  return median(ratios);
}

/** Whether one round at least counts for both. */
export function arePaired(one: Rounds, other: Rounds): boolean {
  return one.some((value, round) => value !== null && (other[round] ?? null) !== null);
}
