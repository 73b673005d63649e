/**
 * The order of measurements: within a round each number of threads is measured on every store in
 * turn, first how many requests a second, then, where one is in flight, how long each takes.
 */
import type { Operation, Outcome } from './job.ts';
import type { Subject } from './subjects.ts';

export interface Plan {
  readonly subjects: readonly Subject[];
  readonly threads: readonly number[];
  readonly rounds: number;
  readonly operation: Operation;
  readonly windowMs: number;
}

/** What one store did for so many threads, one figure a round. */
export interface Series {
  readonly subject: string;
  readonly isOurs: boolean;
  readonly threads: number;
  /** Of all threads together. */
  readonly requestsPerSecond: number[];
  /** Encoded, of each thread and round; none when several are in flight. */
  readonly histograms: string[];
}

/** The compilers are done with the first round's; later ones only have caches to fill. */
const WARM_UP_FIRST_MS = 400;
const WARM_UP_MS = 50;

/** Of the window for requests per second. */
const TIMED_PART = 0.4;

export async function runPlan(plan: Plan, tell: (line: string) => void): Promise<Series[]> {
  const pairs = plan.threads.flatMap((threads) =>
    plan.subjects.map((subject) => ({ subject, threads })),
  );
  const series = pairs.map(({ subject, threads }): Series => {
    const { name, isOurs } = subject;
    return { subject: name, isOurs, threads, requestsPerSecond: [], histograms: [] };
  });
  for (let round = 1; round <= plan.rounds; round++) {
    const warmUpMs = round === 1 ? WARM_UP_FIRST_MS : WARM_UP_MS;
    for (const [i, { subject, threads }] of pairs.entries()) {
      const { fleet, layout, inFlight } = subject;
      const { operation, windowMs } = plan;
      const job = { layout, operation, inFlight, warmUpMs, windowMs, isTimed: false };
      series[i].requestsPerSecond.push(totalRate(await fleet.run(threads, job)));
      if (inFlight > 1) continue;
      const timed = {
        ...job,
        warmUpMs: WARM_UP_MS,
        windowMs: windowMs * TIMED_PART,
        isTimed: true,
      };
      for (const { histogram } of await fleet.run(threads, timed)) {
        series[i].histograms.push(histogram);
      }
    }
    tell(`round ${round} of ${plan.rounds}`);
  }
  return series;
}

/** The threads begin and end within a millisecond, so their rates add up. */
export function totalRate(outcomes: readonly Outcome[]): number {
  return outcomes.reduce((sum, { requests, seconds }) => sum + requests / seconds, 0);
}

/** Nanoseconds of one request on each of so many threads. */
export function nanosecondsEach(requestsPerSecond: number, threads: number): number {
  return (1e9 * threads) / requestsPerSecond;
}
