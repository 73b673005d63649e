/** Rounds of one litmus, one after the other, and what they have counted together. */
import type { Random } from '../crash/random.ts';
import { LITMUS, type Work } from './rounds.ts';
import type { Counts } from './watch.ts';

/** The code as it is shipped. */
export const DIST = new URL('../../dist/', import.meta.url).href;

export interface Outcome {
  readonly counts: Counts;
  readonly rounds: number;
  readonly durationMs: number;
  /** What was wrong; none if all went well and all that should have happened did. */
  readonly problems: readonly string[];
}

/** So many rounds in which something never happened mean that it never will. */
const ROUNDS_WITHOUT_MAX = 20;

/**
 * Runs whole rounds until the time is over and everything has happened that should, or something
 * was wrong.
 */
export async function runFor(
  name: string,
  work: Work,
  random: Random,
  forMs: number,
): Promise<Outcome> {
  const litmus = LITMUS[name];
  const started = performance.now();
  const counts: Counts = {};
  const problems: string[] = [];
  let rounds = 0;
  while (problems.length === 0) {
    const seeded = random.fork();
    rounds += 1;
    try {
      const counted = await litmus.run(work, seeded);
      for (const [key, count] of Object.entries(counted)) counts[key] = (counts[key] ?? 0) + count;
    } catch (error) {
      problems.push(`round ${rounds}, of seed ${seeded.seed}: ${(error as Error).message}`);
    }
    const missing = litmus.counted.filter((key) => !counts[key]);
    if (missing.length === 0 && performance.now() - started >= forMs) break;
    if (missing.length > 0 && rounds >= ROUNDS_WITHOUT_MAX) {
      problems.push(`there were no ${missing.join(', ')}`);
    }
  }
  return { counts, rounds, durationMs: performance.now() - started, problems };
}
