/** What worlds have seen, added up. */
import { Tally } from './tally.ts';

export interface Sums {
  worlds: number;
  steps: number;
  readonly tally: Record<string, number>;
  readonly errors: Record<string, number>;
}

export function noSums(): Sums {
  return { worlds: 0, steps: 0, tally: { ...new Tally() }, errors: {} };
}

export function add(sums: Sums, more: Sums): void {
  sums.worlds += more.worlds;
  sums.steps += more.steps;
  addAll(sums.tally, more.tally);
  addAll(sums.errors, more.errors);
}

function addAll(to: Record<string, number>, from: Record<string, number>): void {
  for (const [name, count] of Object.entries(from)) to[name] = (to[name] ?? 0) + count;
}

/** So many worlds see everything; a few may not. */
const WORLDS_ENOUGH = 100;

/** Prints sums; the exit code is 1 if something that worlds are there for has never happened. */
export function report({ worlds, steps, tally, errors }: Sums, seconds: number): number {
  console.log(`${worlds} worlds, ${steps} steps, ${seconds.toFixed(1)} s: all held`);
  console.log(listed(tally));
  console.log(`errors told to clients: ${listed(errors)}`);
  const missing = Object.keys(tally).filter((name) => tally[name] === 0);
  if (missing.length === 0 || worlds < WORLDS_ENOUGH) return 0;
  console.log(`none of these happened: ${missing.join(', ')}`);
  return 1;
}

function listed(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
