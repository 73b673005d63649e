/**
 * `npm run test:crash`: kills a server with SIGKILL at random moments under real load, again and
 * again, and checks that nothing acknowledged is lost and nothing is executed twice.
 *
 *     npm run test:crash -- --kills 1000 --seed 42
 *
 * What a seed fixes is what is chosen: services, shards, limits, requests and delays. When exactly
 * a kill strikes is up to the machine. Ends with exit code 1 and the seed when something was wrong,
 * and leaves the files of the data directory there.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Epoch } from './epoch.ts';
import { Random } from './random.ts';
import { Tally } from './tally.ts';

/** Kills over one directory, before the next is begun with other clients. */
const KILLS_PER_EPOCH = 20;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    kills: { type: 'string', default: '200' },
  },
});

const seed = wholeNumber('seed', values.seed);
const kills = wholeNumber('kills', values.kills);
const tally = new Tally();
const started = performance.now();
console.log(`test:crash --seed ${seed} --kills ${kills}`);
try {
  const random = new Random(seed);
  while (tally.kills < kills && tally.violations.length === 0) {
    await Epoch.run(tally, random.fork(), Math.min(KILLS_PER_EPOCH, kills - tally.kills));
  }
} catch (error) {
  tally.violated(`the test could not go on: ${error instanceof Error ? error.stack : error}`);
}
console.log(tally.text());
console.log(`${Math.round((performance.now() - started) / 1000)} s`);
if (tally.violations.length > 0) console.log(`failed: test:crash --seed ${seed}`);
// Clients may be trying to reconnect still.
process.exit(tally.violations.length > 0 ? 1 : 0);

function wholeNumber(name: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  console.error(`--${name} must be a whole number, not ${text}`);
  process.exit(1);
}
