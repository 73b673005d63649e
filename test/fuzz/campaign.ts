/** Runs a target: first what is kept of it, then new inputs, until one fails or time is up. */
import { Random } from '../crash/random.ts';
import { type Kept, readCorpus } from './corpus.ts';
import type { Coverage } from './coverage.ts';
import { type Found, Pool } from './pool.ts';
import { kindOf, shrink } from './shrink.ts';
import type { Outcome, Target } from './target.ts';
import type { Watchdog } from './watchdog.ts';

export interface Failure {
  readonly target: string;
  readonly seed: number;
  /** Which run it was, from 1; 0 for one that was kept, or given. */
  readonly run: number;
  readonly input: Uint8Array;
  readonly smallest: Uint8Array;
  readonly error: unknown;
}

export interface Tally {
  readonly target: string;
  readonly kept: number;
  readonly runs: number;
  readonly accepted: number;
  readonly refused: number;
  readonly blocks: number;
  /** Inputs that reached blocks which none that is kept had reached. */
  readonly found: readonly Found[];
  readonly ms: number;
  readonly failure: Failure | undefined;
}

export interface Bounds {
  readonly runs: number;
  readonly seed: number;
  /** On the clock of `performance.now`. */
  readonly until: number;
}

export class Campaign {
  readonly #target: Target;
  readonly #bounds: Bounds;
  readonly #watchdog: Watchdog;
  readonly #counts: Record<Outcome, number> = { accepted: 0, refused: 0 };
  #failure: Failure | undefined;

  constructor(target: Target, bounds: Bounds, watchdog: Watchdog) {
    this.#target = target;
    this.#bounds = bounds;
    this.#watchdog = watchdog;
  }

  /** Runs the kept inputs and then new ones. */
  run(coverage: Coverage | undefined): Tally {
    const started = performance.now();
    const kept: Kept[] = readCorpus(this.#target.name);
    for (const { input } of kept) this.#one(input, 0);
    const random = new Random(this.#bounds.seed);
    const inputs = kept.map(({ input }) => input);
    const pool = new Pool(this.#target, inputs, random, coverage);
    const most = Math.ceil(this.#bounds.runs * this.#target.share);
    let runs = 0;
    while (this.#failure === undefined && runs < most && performance.now() < this.#bounds.until) {
      runs += 1;
      const input = pool.next();
      this.#one(input, runs);
      if (this.#failure === undefined) pool.ran(input);
    }
    return {
      target: this.#target.name,
      kept: kept.length,
      runs,
      ...this.#counts,
      blocks: pool.blocks,
      found: pool.found,
      ms: performance.now() - started,
      failure: this.#failure,
    };
  }

  /** Runs one input only. */
  replay(input: Uint8Array): Failure | undefined {
    this.#one(input, 0);
    return this.#failure;
  }

  #watched(input: Uint8Array): Outcome {
    return this.#watchdog.watch(this.#target.name, input, () => this.#target.run(input));
  }

  #one(input: Uint8Array, run: number): void {
    if (this.#failure !== undefined) return;
    try {
      this.#counts[this.#watched(input)] += 1;
    } catch (error) {
      const smallest = shrink(input, kindOf(error), (smaller) => this.#watched(smaller));
      const { seed } = this.#bounds;
      this.#failure = { target: this.#target.name, seed, run, input, smallest, error };
    }
  }
}
