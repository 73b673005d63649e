/**
 * `npm run soak`: a server under a mixed load for as long as is asked, sampled from outside and
 * inside. Whatever drifts fails it, and so does anything that is not executed exactly once.
 *
 *     npm run soak -- --minutes 10 --seed 42 --durability commit
 *
 * What a seed fixes is what is chosen; when it happens is up to the machine.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Random } from '../crash/random.ts';
import { Soak } from './soak.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    minutes: { type: 'string', default: '2' },
    durability: { type: 'string', default: 'commit' },
    leak: { type: 'string', default: '' },
  },
});

/** Shorter ones have no life that is long enough to be judged. */
const MINUTES_MIN = 0.3;
/** Longer ones must have seen everything. */
const MINUTES_ALL = 2;
const LEAKS = ['', 'memory', 'file', 'delay'];
/** What must have happened, or nothing was shown. */
const WANTED = [
  'acknowledged',
  'replays',
  'ended: evicted',
  'registers',
  'calls',
  'key results',
  'pages',
  'removed',
  'ended: expired',
  'hostile: dropped',
  'hostile: reset',
  'hostile: half',
  'hostile: malformed',
  'hostile: slow',
];

const seed = Number(values.seed);
const minutes = Number(values.minutes);
const { durability, leak } = values;
if (!Number.isInteger(seed) || seed < 0) usage(`--seed must be a whole number, not ${values.seed}`);
if (!(minutes >= MINUTES_MIN)) usage(`--minutes must be ${MINUTES_MIN} or more`);
if (!/^(?:commit|off|none|interval:\d+)$/.test(durability)) {
  usage(`--durability must be commit, interval:MS, off or none, not ${durability}`);
}
if (!LEAKS.includes(leak)) usage(`--leak must be one of ${LEAKS.slice(1).join(', ')}`);

const again = `soak --seed ${seed} --minutes ${minutes} --durability ${durability}`;
console.log(leak === '' ? again : `${again} --leak ${leak}`);
const soak = new Soak({ durationMs: minutes * 60_000, durability, leak }, new Random(seed));
const started = performance.now();
const problems = [...(await soak.run())];
const counts = Object.entries({ ...soak.counts, ...soak.happened });
for (const [name, count] of counts) console.log(`${String(count).padStart(10)} ${name}`);
// The network has to lose an answer for a replay, which takes a while to happen.
const wanted = minutes < MINUTES_ALL ? WANTED.filter((name) => name !== 'replays') : WANTED;
const missing = wanted.filter((name) => !(soak.happened[name] > 0));
if (problems.length === 0 && missing.length > 0) problems.push(`no ${missing.join(', no ')}`);
for (const problem of problems) console.log(`PROBLEM: ${problem}`);
console.log(`${Math.round((performance.now() - started) / 1_000)} s, ${problems.length} problems`);
if (problems.length > 0) console.log(`failed: ${again}`);
process.exit(problems.length > 0 ? 1 : 0);

function usage(message: string): never {
  console.error(message);
  process.exit(1);
}
