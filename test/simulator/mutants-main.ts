/**
 * `npm run simulate:mutants`: puts one mistake at a time into a copy of the code and runs worlds
 * until one of them fails. Prints a table; fails if a mistake was not found.
 *
 *     npm run simulate:mutants -- --seeds 400 --only 'ring'
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { MUTANTS, type Mutant } from './mutants.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** A world in which nothing goes on any more may not end by itself. */
const TIMEOUT_MS = 600_000;

interface Result {
  readonly mutant: Mutant;
  /** The seed that found it; 0 = none. */
  readonly seed: number;
  readonly how: string;
  readonly seconds: number;
}

/** A copy of what the simulator needs, with the mistake in it. */
function copyWith({ file, find, replace, name }: Mutant): string {
  const folder = mkdtempSync(join(tmpdir(), 'sessile-mutant-'));
  for (const part of ['src', 'test', 'package.json', 'tsconfig.json']) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const text = readFileSync(join(folder, file), 'utf8');
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`"${name}": its text is not once in ${file}`);
  writeFileSync(join(folder, file), parts.join(replace));
  return folder;
}

/** Runs worlds over the copy until one fails. */
async function hunt(mutant: Mutant, seeds: number): Promise<Result> {
  const folder = copyWith(mutant);
  const began = performance.now();
  try {
    const output = await simulate(folder, seeds);
    const seconds = (performance.now() - began) / 1000;
    const found = /^seed (\d+) fails at step \d+: (.*)$/m.exec(output);
    // What ends the whole process, such as an assertion that nobody catches, is found as well.
    const seed =
      found === null ? Number(/^world (\d+)$/m.exec(output)?.[1] ?? 0) : Number(found[1]);
    const isHeld = /^\d+ worlds, .*: all held$/m.test(output);
    return { mutant, seed: isHeld ? 0 : seed, how: found?.[2] ?? 'the process ended', seconds };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function simulate(folder: string, seeds: number): Promise<string> {
  const limits = ['--seeds', `${seeds}`, '--jobs', '1', '--no-shrink'];
  const args = ['--import', 'tsx', 'test/simulator/main.ts', ...limits];
  const child = spawn(process.execPath, args, { cwd: folder, timeout: TIMEOUT_MS });
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    output += text;
  });
  return new Promise((resolve) => {
    child.on('close', () => resolve(output));
  });
}

const program = new Command()
  .option('--seeds <count>', 'worlds for each at most', Number, 400)
  .option('--only <text>', 'mutants whose name holds this')
  .option('--every <count>', 'one of so many only', Number, 1)
  .parse();
const options = program.opts<{ seeds: number; only?: string; every: number }>();
const chosen = MUTANTS.filter(({ name }) => name.includes(options.only ?? '')).filter(
  (_, index) => index % options.every === 0,
);
const waiting = [...chosen];
const results: Result[] = [];

async function work(): Promise<void> {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const result = await hunt(mutant, options.seeds);
    results.push(result);
    const { seed, how, seconds } = result;
    const found = seed === 0 ? 'NOT FOUND' : `seed ${seed}`;
    const line = [found, mutant.breaks, mutant.name, `${seconds.toFixed(1)} s`, how.slice(0, 90)];
    console.log(line.join(' | '));
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, () => work()));
const missed = results.filter(({ seed }) => seed === 0);
const most = Math.max(0, ...results.map(({ seed }) => seed));
console.log(
  `${results.length - missed.length} of ${results.length} found, by seed ${most} at most`,
);
process.exitCode = missed.length === 0 ? 0 : 1;
