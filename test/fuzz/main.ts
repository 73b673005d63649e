/**
 * `npm run fuzz`: feeds the readers of bytes what nobody should send them, and checks what they do
 * with it against other implementations and models.
 *
 *     npm run fuzz -- --runs 100000 --seed 42 --target frames
 *     npm run fuzz -- --minutes 30
 *     npm run fuzz -- --target frames --input 0bff [--keep a-name]
 *     npm run fuzz -- --runs 20000 --grow
 *
 * Each target first replays the inputs that are kept under `corpus/`. `--runs` counts for each
 * target, `--minutes` for all together; `--grow` keeps the inputs that reach what none before did.
 * Ends with exit code 1 when one has failed.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { crc32 } from 'node:zlib';
import { Campaign, type Failure, type Tally } from './campaign.ts';
import { keep, parseHex } from './corpus.ts';
import { Coverage } from './coverage.ts';
import type { Found } from './pool.ts';
import { shrink } from './shrink.ts';
import { INPUT_BYTES_MAX, type Target } from './target.ts';
import { TARGETS } from './targets/index.ts';
import { Watchdog } from './watchdog.ts';

const RUNS_DEFAULT = 20_000;
/** With fewer runs the kept inputs and the grammars find more than guidance by coverage. */
const RUNS_GUIDED_MIN = 5_000;
/** Lines of an error that are printed. */
const LINES_MAX = 14;

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    target: { type: 'string' },
    minutes: { type: 'string' },
    input: { type: 'string' },
    keep: { type: 'string' },
    grow: { type: 'boolean', default: false },
  },
});

const seed = wholeNumber('seed', values.seed);
const minutes = values.minutes === undefined ? undefined : wholeNumber('minutes', values.minutes);
const unlimited = minutes === undefined ? RUNS_DEFAULT : Number.POSITIVE_INFINITY;
const runs = values.runs === undefined ? unlimited : wholeNumber('runs', values.runs);
const names = values.target === undefined ? Object.keys(TARGETS) : values.target.split(',');
const unknown = names.find((name) => TARGETS[name] === undefined);
if (unknown !== undefined) usage(`no target ${unknown}; there are ${Object.keys(TARGETS)}`);

const watchdog = new Watchdog();
const isGood = values.input === undefined ? await fuzz() : await replay(values.input);
await watchdog.stop();
process.exitCode = isGood ? 0 : 1;

async function fuzz(): Promise<boolean> {
  console.log(`fuzz --seed ${seed} ${minutes === undefined ? `--runs ${runs}` : ''}`);
  const started = performance.now();
  const totalMs = (minutes ?? Number.POSITIVE_INFINITY) * 60_000;
  let failed = 0;
  // Counting begins before the code under test is loaded. It makes that code several times slower.
  const coverage = runs < RUNS_GUIDED_MIN && !values.grow ? undefined : new Coverage();
  for (const [index, name] of names.entries()) {
    const target = await TARGETS[name]();
    coverage?.count(target.sources);
    const until = started + (totalMs * (index + 1)) / names.length;
    const tally = new Campaign(target, { runs, seed, until }, watchdog).run(coverage);
    if (values.grow) grow(target, tally.found, coverage!);
    if (!report(tally)) failed += 1;
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(`${names.length} targets, ${failed} failed, ${seconds.toFixed(1)} s`);
  return failed === 0;
}

/** Keeps the inputs that reached something new, each made as small as reaches it still. */
function grow(target: Target, found: readonly Found[], coverage: Coverage): void {
  const REACHED = 'reached';
  for (const { input, blocks } of found) {
    const smallest = shrink(input, REACHED, (smaller) => {
      coverage.take();
      target.run(smaller);
      const reached = coverage.take();
      if (blocks.every((block) => reached.has(block))) throw REACHED;
    });
    const name = `reaches-${crc32(smallest).toString(16).padStart(8, '0')}`;
    keep(target.name, name, smallest, 'It reaches code that no other input here reached.');
  }
  console.log(`${found.length} inputs kept`);
}

function report(tally: Tally): boolean {
  const { target, kept, accepted, refused, blocks, found, ms, failure } = tally;
  const perRun = `${((1000 * ms) / Math.max(1, tally.runs)).toFixed(0)} µs a run`;
  const guided = blocks > 0 ? ` ${blocks} blocks reached, ${found.length} inputs found;` : '';
  console.log(
    `${target.padEnd(10)} ${tally.runs} runs and ${kept} kept: ${accepted} accepted, ` +
      `${refused} refused;${guided} ${perRun}`,
  );
  if (failure !== undefined) {
    print(failure);
    return false;
  }
  if (accepted > 0 && refused > 0) return true;
  console.log(`failed: ${target} tests nothing when all inputs have one outcome`);
  return false;
}

function print({ target, run, input, smallest, error }: Failure): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const hex = Buffer.from(smallest).toString('hex');
  console.log(`failed: --target ${target} --seed ${seed}, run ${run}, ${input.length} bytes`);
  console.log(text.split('\n').slice(0, LINES_MAX).join('\n'));
  console.log(`the smallest input that fails so has ${smallest.length} bytes; to run it again:`);
  console.log(`  npm run fuzz -- --target ${target} --input "${hex}"`);
  console.log('and with --keep NAME it is kept in the corpus');
}

async function replay(text: string): Promise<boolean> {
  if (values.target === undefined || names.length !== 1) usage('--input needs one --target');
  const input = parseHex(text);
  if (input.length > INPUT_BYTES_MAX) usage(`an input has at most ${INPUT_BYTES_MAX} bytes`);
  const target = await TARGETS[names[0]]();
  if (values.keep !== undefined) {
    console.log(`kept: ${keep(target.name, values.keep, input, 'It failed once.')}`);
  }
  const bounds = { runs: 0, seed, until: Number.POSITIVE_INFINITY };
  const failure = new Campaign(target, bounds, watchdog).replay(input);
  if (failure === undefined) console.log(`${target.name}: ${target.run(input)}`);
  else print(failure);
  return failure === undefined;
}

function wholeNumber(name: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  return usage(`--${name} must be a whole number, not ${text}`);
}

function usage(text: string): never {
  console.error(text);
  process.exit(1);
}
