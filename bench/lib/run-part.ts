/**
 * Runs one part in a process of its own, with everything that it starts in one process group, so
 * that nothing of it is left whatever becomes of it.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { failedPart, type PartResults, partResultsOf } from './part-results.ts';
import type { Part } from './parts.ts';
import { resultsFile } from './report.ts';

const BENCH = new URL('../', import.meta.url);

/** Several times what the longest part takes. */
const PART_MS_MAX = 15 * 60_000;

/** What a part may take to stop its children before they are killed with it. */
const GRACE_MS = 12_000;

/** Characters kept of what a part says on its standard error, of which one line counts. */
const TAIL_CHARS_MAX = 4_096;

let current: ChildProcess | undefined;

process.on('exit', () => killGroup('SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    const code = 128 + constants.signals[signal];
    if (current === undefined) process.exit(code);
    current.once('exit', () => process.exit(code));
    stopGroup();
  });
}

/** Where a part's own table and progress go: never to the output that the summary is for. */
export type Progress = 'shown' | 'hidden';

export async function runPart(
  part: Part,
  options: readonly string[],
  progress: Progress = 'shown',
): Promise<PartResults> {
  const { name, script = name, args = [] } = part;
  const file = new URL(`${script}.ts`, BENCH);
  if (!existsSync(file)) return failedPart(name, 0, `there is no bench/${script}.ts`);
  const results = resultsFile(name);
  rmSync(results, { force: true });
  const began = performance.now();
  const failure = await ended(fileURLToPath(file), [...args, ...options], progress);
  const seconds = (performance.now() - began) / 1e3;
  if (failure !== undefined) return failedPart(name, seconds, failure);
  if (!existsSync(results)) return failedPart(name, seconds, `it wrote no ${name}.json`);
  return partResultsOf(name, seconds, readFileSync(results, 'utf8'));
}

/** Runs a script to its end; why it failed, or undefined. */
function ended(
  file: string,
  args: readonly string[],
  progress: Progress,
): Promise<string | undefined> {
  const argv = ['--import', 'tsx', file, ...args];
  const isShown = progress === 'shown';
  const stdio: StdioOptions = ['ignore', isShown ? 2 : 'ignore', 'pipe'];
  const child = spawn(process.execPath, argv, { stdio, detached: true });
  current = child;
  let tail = '';
  let late = false;
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    if (isShown) process.stderr.write(text);
    tail = (tail + text).slice(-TAIL_CHARS_MAX);
  });
  const limit = setTimeout(() => {
    late = true;
    stopGroup();
  }, PART_MS_MAX);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => {
      clearTimeout(limit);
      killGroup('SIGKILL');
      current = undefined;
      if (late) resolve(`it took longer than ${PART_MS_MAX / 60_000} minutes`);
      else if (code === 0) resolve(undefined);
      else resolve(complaintIn(tail) ?? `it ended with ${code ?? signal}`);
    });
  });
}

/** What was wrong: an error that nobody caught is followed by its stack. */
function complaintIn(text: string): string | undefined {
  const lines = text.trim().split('\n');
  return lines.findLast((line) => /^\w*Error\b/.test(line)) ?? (lines.at(-1) || undefined);
}

/** Lets the part remove what it left on the disk. */
function stopGroup(): void {
  killGroup('SIGTERM');
  setTimeout(killGroup, GRACE_MS, 'SIGKILL').unref();
}

function killGroup(signal: NodeJS.Signals): void {
  if (current?.pid === undefined) return;
  try {
    process.kill(-current.pid, signal);
  } catch (error) {
    // The whole group has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
