/**
 * The order of measurements: within a round each shape is measured on every target in turn, so
 * that the figures that are compared lie seconds apart.
 */
import type { Job, Operation, Outcome, Shape, TargetName } from './job.ts';
import type { Target } from './servers.ts';

export interface Plan {
  readonly targets: readonly Target[];
  readonly shapes: readonly Shape[];
  readonly rounds: number;
  readonly operation: Operation;
  readonly warmUpMs: number;
  readonly windowMs: number;
}

/** What one target did under one shape, one figure a round; null where the load failed. */
export interface Series {
  readonly target: TargetName;
  readonly shape: string;
  readonly requestsPerSecond: (number | null)[];
  readonly generatorCpu: (number | null)[];
  /** Why rounds were discarded. */
  readonly discarded: string[];
}

export function nameOf(shape: Shape): string {
  return `${shape.connections}x${shape.inFlight}`;
}

/** `run` does one job; `say` is told of each figure and of each round that is discarded. */
export async function runPlan(
  plan: Plan,
  run: (job: Job) => Promise<Outcome>,
  say: (text: string) => void,
): Promise<Series[]> {
  const { operation, warmUpMs, windowMs } = plan;
  const pairs = plan.shapes.flatMap((shape) => plan.targets.map((target) => ({ shape, target })));
  const series = pairs.map(({ shape, target }) => emptySeries(shape, target));
  for (let round = 1; round <= plan.rounds; round++) {
    for (const [i, { shape, target }] of pairs.entries()) {
      const { name, port } = target;
      const job = { ...shape, target: name, port, operation, warmUpMs, windowMs };
      const text = await note(series[i], run(job));
      say(`round ${round}: ${name} ${nameOf(shape)} ${text}`);
    }
  }
  return series;
}

function emptySeries(shape: Shape, { name }: Target): Series {
  const figures = { requestsPerSecond: [], generatorCpu: [], discarded: [] };
  return { target: name, shape: nameOf(shape), ...figures };
}

async function note(series: Series, outcome: Promise<Outcome>): Promise<string> {
  try {
    const { replies, seconds, generatorCpu } = await outcome;
    series.requestsPerSecond.push(replies / seconds);
    series.generatorCpu.push(generatorCpu);
    return `${Math.round(replies / seconds)}/s`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    series.requestsPerSecond.push(null);
    series.generatorCpu.push(null);
    series.discarded.push(why);
    return `discarded: ${why}`;
  }
}
