/**
 * `npm run litmus`: real threads on rings, doorbells, owner words and log buffers, for as long as
 * is asked, with other parameters each round.
 *
 *     npm run litmus -- --minutes 5 --seed 42 --only ring,bell
 *     npm run litmus -- --broken
 *
 * A seed fixes what each thread chooses; how the threads meet is up to the machine. With `--broken`
 * each litmus runs on copies of the built code that have one fault, and must notice it.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Random } from '../crash/random.ts';
import { FAULTS, withFault } from './faults.ts';
import { LITMUS } from './rounds.ts';
import { DIST, type Outcome, runFor } from './run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    minutes: { type: 'string', default: '1' },
    only: { type: 'string', default: Object.keys(LITMUS).join(',') },
    broken: { type: 'boolean', default: false },
  },
});

/** Other processes may have the cores for a while. */
const STUCK_MS = 30_000;
/** Shorter, since one that is stuck is what is looked for; a false one could only hide a fault. */
const STUCK_BROKEN_MS = 4_000;
const RECORDS = 400_000;

const seed = positive('seed', values.seed);
const minutes = positive('minutes', values.minutes);
const names = values.only.split(',');
for (const name of names) if (!(name in LITMUS)) usage(`there is no litmus ${name}`);
const random = new Random(seed);
const again = `litmus --seed ${seed} --minutes ${minutes} --only ${names.join(',')}`;
console.log(again + (values.broken ? ' --broken' : ''));
if (values.broken) await runBroken();
else await runAll();

async function runAll(): Promise<void> {
  const work = { dist: DIST, stuckMs: STUCK_MS, looksAgain: true, records: RECORDS };
  for (const name of names) {
    const outcome = await runFor(name, work, random.fork(), (minutes * 60_000) / names.length);
    console.log(`${name.padEnd(6)}${textOf(outcome)}`);
    for (const problem of outcome.problems) console.log(`  ${problem}`);
    if (outcome.problems.length > 0) process.exitCode = 1;
  }
  if (process.exitCode === 1) console.log(`failed: ${again}`);
}

/** Each fault must be found within the time. */
async function runBroken(): Promise<void> {
  const faults = FAULTS.filter(({ litmus }) => names.includes(litmus));
  for (const fault of faults) {
    await withFault(fault, async (dist) => {
      const looksAgain = fault.looksAgain ?? true;
      const work = { dist, stuckMs: STUCK_BROKEN_MS, looksAgain, records: RECORDS };
      const forMs = (minutes * 60_000) / faults.length;
      const outcome = await runFor(fault.litmus, work, random.fork(), forMs);
      const [problem] = outcome.problems;
      const seconds = (outcome.durationMs / 1_000).toFixed(1);
      console.log(`${fault.litmus.padEnd(6)}${fault.what}`);
      console.log(`  ${problem === undefined ? 'NOT FOUND' : `found: ${problem}`} (${seconds} s)`);
      if (problem === undefined) process.exitCode = 1;
    });
  }
}

function textOf({ counts, rounds, durationMs }: Outcome): string {
  const counted = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  return `${rounds} rounds in ${(durationMs / 1_000).toFixed(1)} s: ${counted.join(', ')}`;
}

function positive(name: string, text: string): number {
  const number = Number(text);
  if (!(number >= 0) || text === '') usage(`--${name} must be a number, not ${text}`);
  return number;
}

function usage(message: string): never {
  console.error(message);
  process.exit(1);
}
