/**
 * The order of measurements: within a round each shape is measured on every target in turn, so
 * that the two figures of a pair lie seconds apart.
 */
import type { Operation, Outcome, Shape } from './job.ts';
import { runJob } from './run-job.ts';
import type { Target } from './servers.ts';

export interface Plan {
  readonly targets: readonly Target[];
  readonly shapes: readonly Shape[];
  readonly rounds: number;
  readonly operation: Operation;
  readonly warmUpMs: number;
  readonly windowMs: number;
}

/** What one target did under one shape, one figure a round. */
export interface Series {
  readonly target: Target['name'];
  readonly shape: string;
  readonly requestsPerSecond: number[];
  readonly generatorCpu: number[];
}

export function nameOf(shape: Shape): string {
  return `${shape.connections}x${shape.inFlight}`;
}

export async function runPlan(plan: Plan): Promise<Series[]> {
  const pairs = plan.shapes.flatMap((shape) => plan.targets.map((target) => ({ shape, target })));
  const series = pairs.map(({ shape, target }) => emptySeries(shape, target));
  for (let round = 0; round < plan.rounds; round++) {
    for (const [i, { shape, target }] of pairs.entries()) {
      const { operation, warmUpMs, windowMs } = plan;
      const { name, port } = target;
      const job = { ...shape, target: name, port, operation, warmUpMs, windowMs };
      note(series[i], await runJob(job));
    }
  }
  return series;
}

function emptySeries(shape: Shape, target: Target): Series {
  return { target: target.name, shape: nameOf(shape), requestsPerSecond: [], generatorCpu: [] };
}

function note(series: Series, outcome: Outcome): void {
  series.requestsPerSecond.push(outcome.replies / outcome.seconds);
  series.generatorCpu.push(outcome.generatorCpu);
  const { target, shape, requestsPerSecond } = series;
  const rate = Math.round(requestsPerSecond.at(-1)!);
  process.stderr.write(`round ${requestsPerSecond.length}: ${target} ${shape} ${rate}/s\n`);
}
