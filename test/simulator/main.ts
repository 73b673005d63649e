/**
 * `npm run simulate`: worlds from seeds. Prints what they have seen, or the seed that fails.
 *
 *     npm run simulate -- --seeds 2000           so many worlds, from seed 1, on all cores
 *     npm run simulate -- --seed 17              one world, with its history if it fails
 */
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { replaceBuiltins } from './builtins.ts';
import { simulateOnAllCores } from './parallel.ts';
import { realNow } from './real.ts';

const program = new Command()
  .option('--seeds <count>', 'worlds to run', Number, 100)
  .option('--from <seed>', 'the first seed', Number, 1)
  .option('--seed <seed>', 'one world only', Number)
  .option('--steps <count>', 'steps before the faults stop, at most', Number)
  .option('--without <faults>', 'kinds of fault to leave out, separated by commas')
  .option('--twice', 'run each world twice: both must be the same')
  .option('--jobs <count>', 'processes at a time', Number, availableParallelism())
  .option('--part', 'print sums for the process that adds them up')
  .option('--no-shrink', 'report a failure as it is')
  .parse();

const options = program.opts();
const isAlone = options.seed !== undefined || options.part === true || options.jobs === 1;
if (!isAlone) process.exit(await simulateOnAllCores(options as never));
replaceBuiltins();
const { simulate } = await import('./simulate.ts');
process.exit(await simulate(options as never, realNow));
