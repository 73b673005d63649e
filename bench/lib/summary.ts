/**
 * The rows by which every benchmark reports to `npm run bench`: bench/README.md has the contract.
 */
import { BUDGETS, holds } from './budgets.ts';
import { pairedRatio, type Rounds, summarize } from './stats.ts';

export interface SummaryRow {
  /** What was measured, with the conditions that tell it from other rows. */
  readonly what: string;
  /** Whose figure it is; ours when absent. */
  readonly peer?: string;
  /** The median of the rounds. */
  readonly figure: number;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
  /** In a peer's row: how many times as good as the peer we are, above 1 when we are better. */
  readonly ratio?: number;
  /** A name in budgets.ts. */
  readonly budget?: string;
  readonly holds?: boolean;
}

/** A part that was left out, and why. */
export interface Skipped {
  readonly what: string;
  readonly why: string;
}

/** Our own row. At least one round must count. */
export function ourRow(what: string, unit: string, values: Rounds, budget?: string): SummaryRow {
  const { median: figure, min, max, rounds } = summarize(values);
  return judged({ what, figure, unit, min, max, rounds }, budget);
}

/** Which way is better: less of a time, more of a rate. */
export type Better = 'less' | 'more';

/** A peer's row, with the ratio to ours of the same rounds. */
export function peerRow(
  ours: { what: string; unit: string; values: Rounds; better: Better },
  peer: string,
  values: Rounds,
  budget?: string,
): SummaryRow {
  const row = ourRow(ours.what, ours.unit, values);
  const [top, bottom] = ours.better === 'less' ? [values, ours.values] : [ours.values, values];
  return judged({ ...row, peer, ratio: pairedRatio(top, bottom) }, budget);
}

function judged(row: SummaryRow, budget: string | undefined): SummaryRow {
  if (budget === undefined) return row;
  return { ...row, budget, holds: holds(BUDGETS[budget], row) };
}
