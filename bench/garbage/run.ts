/**
 * Runs the process that counts garbage. One of its own, because it needs flags of V8: a small space
 * for young objects, so that a mebibyte of garbage is one collection at least, and a collector that
 * can be called before the count begins.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Counted, Job } from './job.ts';

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url));
const TSX = import.meta.resolve('tsx');
// What the start leaves among the old objects must not bring on a collection of its own later.
const OLD = '--initial-old-space-size=256';
const FLAGS = ['--expose-gc', OLD, '--min-semi-space-size=1', '--max-semi-space-size=1'];
const TRACE = ['--trace-deopt', '--redirect-code-traces'];

/** Counts what a job leaves behind, in a process that is ended after so long at the latest. */
export async function count(job: Job, timeoutMs: number, traces = true): Promise<Counted> {
  const folder = mkdtempSync(join(tmpdir(), 'sessile-garbage-'));
  try {
    const flags = [...FLAGS, ...(traces ? TRACE : []), '--import', TSX];
    const output = await run([...flags, CHILD, JSON.stringify(job)], folder, timeoutMs);
    return parseCounted(output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The outcome among the lines that the process printed, some of which are V8's. */
export function parseCounted(output: string): Counted {
  const line = output.split('\n').find((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`the process that counts said: ${output.slice(-500)}`);
  return JSON.parse(line) as Counted;
}

function run(parameters: string[], cwd: string, timeout: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const stdio = ['ignore', 'pipe', 'inherit'] as const;
    const child = spawn(process.execPath, parameters, { cwd, timeout, stdio: [...stdio] });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`the process that counts ended with ${signal ?? code}`));
    });
  });
}
