/**
 * What is fuzzed: a reader of bytes that others made. An input is always bytes; a target that needs
 * more than that reads its choices from them, so that every input can be printed, kept, mutated and
 * made smaller in the same way.
 */
import type { Random } from '../crash/random.ts';

/** Longer inputs are not made, kept or mutated into. */
export const INPUT_BYTES_MAX = 2048;

/** Whether the code under test took an input or refused it in the way it should. */
export type Outcome = 'accepted' | 'refused';

export interface Target {
  readonly name: string;
  /** Ends of the paths of the sources whose coverage says that an input is worth keeping. */
  readonly sources: readonly string[];
  /** Pieces that mutations put into inputs. */
  readonly tokens: readonly Uint8Array[];
  /** How many runs of this target there are for each one that was asked for; at most 1. */
  readonly share: number;
  /** A new input from the target's own grammar. */
  generate(random: Random): Uint8Array;
  /** Runs one input. Throws when the code under test did what it must not. */
  run(input: Uint8Array): Outcome;
}

/** Fails the run at hand. */
export function must(condition: boolean, what: string | (() => string)): asserts condition {
  if (!condition) throw new Error(typeof what === 'string' ? what : what());
}

/** Two texts that must be the same. */
export function same(actual: string, expected: string, what: string): void {
  must(actual === expected, () => `${what}:\n    ${actual}\nfor ${expected}`);
}
