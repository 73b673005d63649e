/**
 * Runs one job in a fresh load generator: what its compiler learnt from one protocol must not
 * slow down or speed up the other.
 */
import { fork } from 'node:child_process';
import { track } from './children.ts';
import type { Job, Outcome } from './job.ts';

const GENERATOR = new URL('./generator.ts', import.meta.url);

export function runJob(job: Job): Promise<Outcome> {
  // The child inherits the loader that compiles TypeScript.
  const child = track(fork(GENERATOR));
  return new Promise((resolve, reject) => {
    let outcome: Outcome | undefined;
    child.once('message', (message) => {
      outcome = message as Outcome;
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (outcome !== undefined && code === 0) resolve(outcome);
      else reject(new Error(`the load on ${job.target} failed`));
    });
    child.send(job);
  });
}
