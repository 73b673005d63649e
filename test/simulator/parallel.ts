/** Shares worlds among processes, because each world fills one core, and adds up what they saw. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { realNow } from './real.ts';
import { add, noSums, report, type Sums } from './sums.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
/** Worlds of a process at a time: short shares end at about the same time. */
const SHARE = 50;

interface ParallelOptions {
  readonly seeds: number;
  readonly from: number;
  readonly jobs: number;
  readonly steps?: number;
  readonly without?: string;
  readonly twice?: boolean;
  readonly shrink: boolean;
}

/** The exit code; what the first process says that found a failure is printed. */
export async function simulateOnAllCores(options: ParallelOptions): Promise<number> {
  const began = realNow();
  const sums = noSums();
  const end = options.from + options.seeds;
  let next = options.from;
  let isFailed = false;
  const work = async (): Promise<void> => {
    while (next < end && !isFailed) {
      const from = next;
      const seeds = Math.min(SHARE, end - from);
      next += seeds;
      const { output, code } = await runPart(options, from, seeds);
      if (code === 0) add(sums, JSON.parse(output) as Sums);
      else if (!isFailed) {
        isFailed = true;
        console.log(output);
      }
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, () => work()));
  if (isFailed) return 1;
  return report(sums, (realNow() - began) / 1000);
}

function runPart(
  { steps, without, twice, shrink }: ParallelOptions,
  from: number,
  seeds: number,
): Promise<{ output: string; code: number }> {
  const args = ['--import', 'tsx', MAIN, '--part', '--from', `${from}`, '--seeds', `${seeds}`];
  if (steps !== undefined) args.push('--steps', `${steps}`);
  if (without !== undefined) args.push('--without', without);
  if (twice === true) args.push('--twice');
  if (!shrink) args.push('--no-shrink');
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ output, code: code ?? 1 }));
  });
}
