/**
 * Runs one kind of work on all subjects in turn, round after round, so that a change of the
 * machine's mood meets all of them.
 */
import Benchmark from 'benchmark';
import { median } from '../lib/stats.ts';
import { BATCH, type Subject, type Work } from './subject.ts';

export interface RoundOptions {
  readonly rounds: number;
  /** Seconds of sampling per subject and round. */
  readonly seconds: number;
}

/** Nanoseconds per operation, by subject, one figure a round. */
export function measure(
  subjects: readonly Subject[],
  work: Work,
  options: RoundOptions,
): Map<string, number[]> {
  const figures = new Map<string, number[]>(subjects.map(({ name }) => [name, []]));
  // The first round also pays for compiling, so it does not count.
  for (let round = 0; round <= options.rounds; round++) {
    for (const subject of subjects) {
      const nanoseconds = sample(subject, work, options.seconds);
      if (round > 0) figures.get(subject.name)!.push(nanoseconds);
    }
  }
  return figures;
}

function sample(subject: Subject, work: Work, seconds: number): number {
  const benchmark = new Benchmark({
    name: `${subject.name} ${work}`,
    fn: () => subject[work](),
    maxTime: seconds,
    minSamples: 3,
  });
  benchmark.run({ async: false });
  if (benchmark.error !== undefined) throw benchmark.error;
  return (median(benchmark.stats.sample) / BATCH) * 1e9;
}
