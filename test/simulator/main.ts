/**
 * `npm run simulate`: worlds from seeds. Prints what they have seen, or the seed that fails.
 *
 *     npm run simulate -- --seeds 2000           so many worlds, from seed 1, on all cores
 *     npm run simulate -- --seed 17              one world, with its history if it fails
 */
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { replaceBuiltins } from './builtins.ts';
import { simulateOnAllCores } from './parallel.ts';
import { realNow } from './real.ts';

function whole(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('It must be a whole number above 0.');
}

const program = new Command()
  .option('--seeds <count>', 'worlds to run', whole, 100)
  .option('--from <seed>', 'the first seed', whole, 1)
  .option('--seed <seed>', 'one world only', whole)
  .option('--steps <count>', 'steps before the faults stop, at most', whole)
  .option('--without <faults>', 'kinds of fault to leave out, separated by commas')
  .option('--twice', 'run each world twice: both must be the same')
  .option('--jobs <count>', 'processes at a time', whole, availableParallelism())
  .option('--part', 'print sums for the process that adds them up')
  .option('--no-shrink', 'report a failure as it is')
  .parse();

const options = program.opts();
const isAlone = options.seed !== undefined || options.part === true || options.jobs === 1;
if (!isAlone) process.exit(await simulateOnAllCores(options as never));
replaceBuiltins();
const { simulate } = await import('./simulate.ts');
process.exit(await simulate(options as never, realNow));
