/**
 * The inputs that mutations begin with: the kept ones, and those that reached a block of the code
 * which none before them had reached. Blocks are taken for many runs at once, because asking costs
 * more than a run; only when there was something new are these run again, in halves.
 */
import type { Random } from '../crash/random.ts';
import type { Coverage } from './coverage.ts';
import { mutate } from './mutate.ts';
import { INPUT_BYTES_MAX, type Target } from './target.ts';

const BATCH = 200;
const GENERATED_PERCENT = 30;
/** Inputs to begin with, beside the kept ones. */
const GENERATED_FIRST = 20;

/** An input that reached blocks first. */
export interface Found {
  readonly input: Uint8Array;
  readonly blocks: readonly string[];
}

export class Pool {
  readonly found: Found[] = [];
  readonly #target: Target;
  readonly #random: Random;
  readonly #coverage: Coverage | undefined;
  readonly #inputs: Uint8Array[];
  readonly #seen = new Set<string>();
  #batch: Uint8Array[] = [];

  constructor(
    target: Target,
    kept: readonly Uint8Array[],
    random: Random,
    coverage: Coverage | undefined,
  ) {
    this.#target = target;
    this.#random = random;
    this.#coverage = coverage;
    this.#inputs = [...kept];
    for (let i = 0; i < GENERATED_FIRST; i++) this.#inputs.push(this.#generated());
    // What the kept inputs have reached, which were run before.
    for (const block of coverage?.take() ?? []) this.#seen.add(block);
  }

  /** Blocks that were reached. */
  get blocks(): number {
    return this.#seen.size;
  }

  next(): Uint8Array {
    const random = this.#random;
    if (random.chance(GENERATED_PERCENT)) return this.#generated();
    const other = random.pick(this.#inputs);
    return mutate(random.pick(this.#inputs), random, { tokens: this.#target.tokens, other });
  }

  /** An input was run. */
  ran(input: Uint8Array): void {
    if (this.#coverage === undefined) return;
    if (this.#batch.push(input) < BATCH) return;
    const batch = this.#batch;
    this.#batch = [];
    const found = new Set([...this.#coverage.take()].filter((block) => !this.#seen.has(block)));
    this.#locate(batch, found);
    // What depends on earlier runs may not be reached again.
    for (const block of found) this.#seen.add(block);
  }

  /** Finds the inputs that reach some of these blocks, by halves. */
  #locate(batch: readonly Uint8Array[], wanted: Set<string>): void {
    if (wanted.size === 0) return;
    for (const input of batch) this.#target.run(input);
    const reached = [...this.#coverage!.take()].filter((block) => wanted.has(block));
    if (reached.length === 0) return;
    const [input] = batch;
    if (batch.length === 1) {
      this.#inputs.push(input);
      this.found.push({ input, blocks: reached });
      for (const block of reached) {
        this.#seen.add(block);
        wanted.delete(block);
      }
      return;
    }
    const middle = batch.length >> 1;
    this.#locate(batch.slice(0, middle), wanted);
    this.#locate(batch.slice(middle), wanted);
  }

  #generated(): Uint8Array {
    return this.#target.generate(this.#random).slice(0, INPUT_BYTES_MAX);
  }
}
