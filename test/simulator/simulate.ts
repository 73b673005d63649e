/** Runs worlds, adds up what they saw, and makes a failing one as short as it goes. */
import { Tally } from './oracle.ts';
import { Random } from './random.ts';
import { FAULTS, type Fault, type Swarm, swarmOf } from './swarm.ts';
import { type Outcome, World } from './world.ts';

export interface SimulateOptions {
  readonly seeds: number;
  readonly from: number;
  readonly seed?: number;
  readonly steps?: number;
  readonly without?: string;
  readonly twice?: boolean;
  readonly shrink: boolean;
}

interface Limits {
  readonly steps: number | undefined;
  readonly without: readonly Fault[];
}

export function swarmFor(seed: number, { steps, without }: Limits): Swarm {
  const swarm = swarmOf(new Random(seed).fork('swarm'));
  const faults = new Map([...swarm.faults].filter(([fault]) => !without.includes(fault)));
  return { ...swarm, faults, steps: Math.min(steps ?? swarm.steps, swarm.steps) };
}

const runWorld = (seed: number, limits: Limits, isVerbose = false): Promise<Outcome> =>
  new World(seed, swarmFor(seed, limits), isVerbose).run();

/** The exit code: 0 if every world held. */
export async function simulate(options: SimulateOptions, now: () => number): Promise<number> {
  const without = (options.without?.split(',') ?? []) as Fault[];
  const limits = { steps: options.steps, without };
  const first = options.seed ?? options.from;
  const last = options.seed ?? options.from + options.seeds - 1;
  const total = new Tally() as unknown as Record<string, number>;
  const errors = new Map<string, number>();
  const began = now();
  let steps = 0;
  for (let seed = first; seed <= last; seed++) {
    const outcome = await runWorld(seed, limits);
    if (outcome.failure !== undefined) return report(seed, outcome, limits, options.shrink);
    if (
      options.twice === true &&
      (await runWorld(seed, limits)).fingerprint !== outcome.fingerprint
    ) {
      console.log(`seed ${seed} did not do the same a second time`);
      return 1;
    }
    steps += outcome.steps;
    for (const [name, count] of Object.entries(outcome.tally)) total[name] += count;
    for (const [code, count] of outcome.errors) errors.set(code, (errors.get(code) ?? 0) + count);
  }
  const seconds = (now() - began) / 1000;
  console.log(`${last - first + 1} worlds, ${steps} steps, ${seconds.toFixed(1)} s: all held`);
  console.log(table({ ...total }));
  console.log(`errors told to clients: ${[...errors].map((pair) => pair.join(' ')).join(', ')}`);
  const missing = Object.keys(total).filter((name) => total[name] === 0);
  if (missing.length === 0 || options.seed !== undefined || options.seeds < 100) return 0;
  console.log(`none of these happened: ${missing.join(', ')}`);
  return 1;
}

function table(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

async function report(
  seed: number,
  outcome: Outcome,
  limits: Limits,
  shrinks: boolean,
): Promise<number> {
  const shrunk = shrinks ? await shrink(seed, outcome, limits) : { outcome, limits };
  const { steps, failure, history } = await runWorld(seed, shrunk.limits, true);
  for (const line of history) console.log(line);
  console.log(`seed ${seed} fails at step ${steps}: ${failure?.stack}`);
  const { limits: least } = shrunk;
  const parts = [`npm run simulate -- --seed ${seed}`];
  if (least.steps !== undefined) parts.push(`--steps ${least.steps}`);
  if (least.without.length > 0) parts.push(`--without '${least.without.join(',')}'`);
  console.log(`again: ${parts.join(' ')} --no-shrink`);
  return 1;
}

/** Leaves out kinds of fault, and ends the faults earlier, for as long as the world still fails. */
async function shrink(
  seed: number,
  outcome: Outcome,
  limits: Limits,
): Promise<{ outcome: Outcome; limits: Limits }> {
  let best = { outcome, limits };
  for (const fault of FAULTS) {
    const fewer = { ...best.limits, without: [...best.limits.without, fault] };
    const tried = await runWorld(seed, fewer);
    if (tried.failure !== undefined) best = { outcome: tried, limits: fewer };
  }
  let most = best.outcome.steps;
  for (let least = 0; most - least > 10; ) {
    const steps = (least + most) >> 1;
    const shorter = { ...best.limits, steps };
    const tried = await runWorld(seed, shorter);
    if (tried.failure === undefined) least = steps;
    else {
      most = Math.min(steps, tried.steps);
      best = { outcome: tried, limits: shorter };
    }
  }
  return best;
}
