/**
 * Runs one job in a fresh load generator: what its compiler learnt from one protocol must not
 * slow down or speed up the other.
 */
import { fork } from 'node:child_process';
import { track } from './children.ts';

/** What a generator may take beyond the time of its load: to start, connect and register. */
const GRACE_MS = 20_000;

/** Bytes of a generator's complaint that are kept. */
const COMPLAINT_BYTES_MAX = 4_096;

export interface TimedJob {
  readonly target: string;
  readonly warmUpMs: number;
  readonly windowMs: number;
}

/** Sends a job to a new process of `script` and resolves with what it answers. */
export function runJob<Outcome>(script: URL, job: TimedJob): Promise<Outcome> {
  // The child inherits the loader that compiles TypeScript.
  const child = track(fork(script, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] }));
  return new Promise((resolve, reject) => {
    let outcome: { of: Outcome } | undefined;
    let complaint = '';
    const late = setTimeout(
      () => {
        complaint = 'it took too long';
        child.kill('SIGKILL');
      },
      job.warmUpMs + job.windowMs + GRACE_MS,
    );
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(0, COMPLAINT_BYTES_MAX);
    });
    child.once('message', (message) => {
      outcome = { of: message as Outcome };
    });
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(late);
      if (outcome !== undefined && code === 0) resolve(outcome.of);
      else reject(new Error(`the load on ${job.target} failed: ${complaint.trim()}`));
    });
    child.send(job);
  });
}
