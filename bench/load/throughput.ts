/**
 * What the series of a run say: a table for people, rows for the summary, and what is missing.
 */
import { BUDGETS } from '../lib/budgets.ts';
import { arePaired, pairedRatio, type Rounds, summarize } from '../lib/stats.ts';
import { ourRow, peerRow, type Skipped, type SummaryRow } from '../lib/summary.ts';
import type { Series } from './schedule.ts';

const HEADER = ['connections × in flight', 'server', 'requests/s', 'min–max', 'generator CPU'];

/** Header and rows; the last column says how many times as many requests ours answered. */
export function tableOf(series: readonly Series[]): [string[], string[][]] {
  const rows = measured(series).map((one) => {
    const { target, shape, requestsPerSecond } = one;
    const { median: middle, min, max } = summarize(requestsPerSecond);
    const busy = `${Math.round(summarize(one.generatorCpu).median * 100)} %`;
    const range = `${thousands(min)}–${thousands(max)}`;
    const ours = oursOf(series, one);
    const ratio = ours === undefined ? '' : pairedRatio(ours, requestsPerSecond).toFixed(2);
    return [shapeText(shape), target, thousands(middle), range, busy, ratio];
  });
  return [[...HEADER, 'sessile is'], rows];
}

/**
 * `conditions` ends the text of each row; `budgets` is what the names of the budgets begin with,
 * before the shape.
 */
export function summaryOf(
  series: readonly Series[],
  conditions: string,
  budgets: string | undefined,
): SummaryRow[] {
  const unit = 'requests/s';
  return measured(series).map((one) => {
    const { target, shape, requestsPerSecond: values } = one;
    const what = `${shapeText(shape)} over TCP${conditions}`;
    const ours = oursOf(series, one);
    if (target === 'sessile') return ourRow(what, unit, values);
    if (ours === undefined) return { ...ourRow(what, unit, values), peer: target };
    const budget = `${budgets}${shape}`;
    const answers = target === 'redis' && budget in BUDGETS ? budget : undefined;
    return peerRow({ what, unit, values: ours, better: 'more' }, target, values, answers);
  });
}

/** Rounds that were discarded, by target and shape. */
export function skippedOf(series: readonly Series[]): Skipped[] {
  return series
    .filter(({ discarded }) => discarded.length > 0)
    .map(({ target, shape, requestsPerSecond, discarded }) => ({
      what: `${target}, ${shapeText(shape)}`,
      why: `${discarded.length} of ${requestsPerSecond.length} rounds discarded: ${discarded[0]}`,
    }));
}

function measured(series: readonly Series[]): Series[] {
  return series.filter(({ requestsPerSecond }) => requestsPerSecond.some((one) => one !== null));
}

/** Our figures of the same shape, where a ratio to a peer's can be made. */
function oursOf(series: readonly Series[], peer: Series): Rounds | undefined {
  if (peer.target === 'sessile') return undefined;
  const ours = series.find(({ target, shape }) => target === 'sessile' && shape === peer.shape);
  if (ours === undefined || !arePaired(ours.requestsPerSecond, peer.requestsPerSecond)) {
    return undefined;
  }
  return ours.requestsPerSecond;
}

function shapeText(shape: string): string {
  return shape.replace('x', ' × ');
}

function thousands(value: number): string {
  return `${(value / 1e3).toFixed(1)} k`;
}
