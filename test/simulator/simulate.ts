/** Runs worlds, adds up what they saw, and makes a failing one as short as it goes. */
import { Random } from './random.ts';
import { add, noSums, report } from './sums.ts';
import { FAULTS, type Fault, type Swarm, swarmOf } from './swarm.ts';
import { type Outcome, World } from './world.ts';

interface SimulateOptions {
  readonly seeds: number;
  readonly from: number;
  readonly seed?: number;
  readonly steps?: number;
  readonly without?: string;
  readonly twice?: boolean;
  readonly part?: boolean;
  readonly shrink: boolean;
}

interface Limits {
  readonly steps: number | undefined;
  readonly without: readonly Fault[];
}

function swarmFor(seed: number, { steps, without }: Limits): Swarm {
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
  const sums = noSums();
  const began = now();
  for (let seed = first; seed <= last; seed++) {
    const outcome = await runWorld(seed, limits);
    if (outcome.failure !== undefined) return tell(seed, outcome, limits, options.shrink);
    if (
      options.twice === true &&
      (await runWorld(seed, limits)).fingerprint !== outcome.fingerprint
    ) {
      console.log(`seed ${seed} did not do the same a second time`);
      return 1;
    }
    const tally = { ...outcome.tally };
    const errors = Object.fromEntries(outcome.errors);
    add(sums, { worlds: 1, steps: outcome.steps, tally, errors });
  }
  if (options.part !== true) return report(sums, (now() - began) / 1000);
  console.log(JSON.stringify(sums));
  return 0;
}

/** Prints the history of a failure and how to see it again. */
async function tell(
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
