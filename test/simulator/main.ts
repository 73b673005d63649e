/**
 * `npm run simulate`: worlds from seeds. Prints what they have seen, or the seed that fails.
 *
 *     npm run simulate -- --seeds 2000           so many worlds, from seed 1
 *     npm run simulate -- --seed 17              one world, with its history
 */
import { Command } from 'commander';
import { replaceBuiltins } from './builtins.ts';
import { realNow } from './real.ts';

replaceBuiltins();
const { simulate } = await import('./simulate.ts');

const program = new Command()
  .option('--seeds <count>', 'worlds to run', Number, 100)
  .option('--from <seed>', 'the first seed', Number, 1)
  .option('--seed <seed>', 'one world only', Number)
  .option('--steps <count>', 'steps before the faults stop', Number)
  .option('--without <faults>', 'kinds of fault to leave out, separated by commas')
  .option('--twice', 'run each world twice: both must be the same')
  .option('--no-shrink', 'report a failure as it is')
  .parse();

process.exit(await simulate(program.opts(), realNow));
