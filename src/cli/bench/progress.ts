/**
 * A line on standard error that says how the run is going; only on a terminal, and gone when the
 * run has ended.
 */
import { count, time } from '../terminal/figures.ts';
import type { Style } from '../terminal/style.ts';
import type { Load } from './load.ts';
import type { Plan } from './plan.ts';

const INTERVAL_MS = 500;
const CLEAR_LINE = '\r\u001b[K';

/** @returns what ends it */
export function showProgress(load: Load, plan: Plan, style: Style): () => void {
  let answeredBefore = 0;
  let atBefore = performance.now();
  const timer = setInterval(() => {
    const { tally, elapsed } = load;
    const now = performance.now();
    const rate = Math.max(0, tally.answered - answeredBefore) / ((now - atBefore) / 1000);
    answeredBefore = tally.answered;
    atBefore = now;
    const { p50, p99 } = tally.latency();
    const { failures } = tally;
    const parts = [
      style.dim(progressOf(plan, tally.answered, elapsed)),
      `${style.bold(count(rate))} req/s`,
      `p50 ${time(p50)}`,
      `p99 ${time(p99)}`,
      failures === 0 ? style.dim('no errors') : style.red(`${count(failures)} errors`),
    ];
    process.stderr.write(`${CLEAR_LINE}${parts.join('   ')}`);
  }, INTERVAL_MS);
  return () => {
    clearInterval(timer);
    process.stderr.write(CLEAR_LINE);
  };
}

function progressOf({ requests, seconds }: Plan, answered: number, elapsed: number): string {
  if (requests !== undefined) return `${count(answered)} of ${count(requests)}`;
  return `${elapsed.toFixed(1)} of ${seconds} s`;
}
