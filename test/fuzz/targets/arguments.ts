/**
 * The command line of `sessile serve` and `sessile ping`, with environment variables: any words
 * give a line on standard error and exit code 1, the help and exit code 0, or options that are
 * numbers and texts where they must be, which the engine's own checks then take or refuse.
 */
import { type Command, CommanderError } from 'commander';
import { pingCommand } from '../../../src/cli/ping.ts';
import { withPreset } from '../../../src/cli/presets.ts';
import { serveCommand } from '../../../src/cli/serve.ts';
import { InvalidOptionError } from '../../../src/core/errors.ts';
import { checkOptions } from '../../../src/embedding/options.ts';
import { resolveSettings } from '../../../src/transport/client/options.ts';
import type { Random } from '../../crash/random.ts';
import { Choices } from '../choices.ts';
import { must, type Outcome, type Target } from '../target.ts';

const FLAGS = [
  '--preset',
  '--host',
  '--port',
  '--shards',
  '--sessions-max',
  '--on-full',
  '--ttl-ms',
  '--rate',
  '--data-bytes-max',
  '--reply-bytes-max',
  '--frame-bytes-max',
  '--connections-max',
  '--execute-timeout-ms',
  '--run',
  '--service',
  '--data-dir',
  '--durability',
  '--segment-bytes-max',
  '--count',
  '--timeout-ms',
];
const ODD_FLAGS = ['--', '-', '--no-port', '--help', '-h', '-p', '--PORT', '--portt', 'serve', ''];
const WORDS = [
  '0',
  '1',
  '5',
  '100',
  '65535',
  '4096',
  '00012',
  '-1',
  '+5',
  '1.5',
  '1e3',
  '0x10',
  ' 7',
  '７',
  '9'.repeat(30),
  '9'.repeat(400),
  'NaN',
  'Infinity',
  'null',
  'undefined',
  '',
  'never',
  'commit',
  'off',
  'interval:5',
  'interval:0',
  'interval:',
  'interval:99999999999999999999',
  '100/20',
  '0/0',
  '1/',
  '1/2/3',
  'evict',
  'reject',
  'auto',
  'worker',
  'embedded',
  'single-node',
  'development',
  'constructor',
  '__proto__',
  './service.js',
  'file:///x',
  '\0',
];

/** Options that are numbers once they are read. */
const NUMBERS =
  /^(?:port|shards|sessionsMax|.*BytesMax|connectionsMax|executeTimeoutMs|count|timeoutMs)$/;

export const argumentsOf: Target = {
  name: 'arguments',
  sources: ['/cli/arguments.ts', '/cli/serve.ts', '/cli/presets.ts', '/embedding/options.ts'],
  tokens: [],
  share: 1,
  generate: (random: Random) =>
    Uint8Array.from({ length: 2 + random.below(24) }, () => random.below(256)),
  run,
};

function run(input: Uint8Array): Outcome {
  const choices = new Choices(input);
  const isPing = choices.below(8) === 0;
  const argv: string[] = [];
  const env: Record<string, string> = {};
  while (!choices.isOver) {
    const flag = choices.pick(choices.below(12) === 11 ? ODD_FLAGS : FLAGS);
    const word = choices.pick(WORDS);
    const form = choices.below(8);
    if (form === 0) argv.push(`${flag}=${word}`);
    else if (form === 1) argv.push(flag);
    // The system takes no variable with a zero byte.
    else if (form === 2) env[variableOf(flag)] = word.replaceAll('\0', '');
    else argv.push(flag, word);
  }
  return parsed(isPing ? pingCommand() : serveCommand(), argv, env, isPing);
}

const variableOf = (flag: string): string =>
  `SESSILE_${flag.replace(/^-+/, '').toUpperCase().replaceAll('-', '_')}`;

function parsed(
  command: Command,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  isPing: boolean,
): Outcome {
  let written = '';
  const write = (text: string): void => {
    written += text;
  };
  let given: Record<string, unknown> | undefined;
  command.exitOverride().configureOutput({ writeErr: write, writeOut: write });
  command.action(() => {
    given = command.opts();
  });
  Object.assign(process.env, env);
  try {
    command.parse([...argv], { from: 'user' });
    must(given !== undefined, 'a command that is not refused is run');
    check(command, given, isPing);
    return 'accepted';
  } catch (error) {
    if (error instanceof InvalidOptionError) return 'refused';
    if (!(error instanceof CommanderError)) throw error;
    const isHelp = error.code === 'commander.helpDisplayed';
    must(error.exitCode === (isHelp ? 0 : 1), () => `exit code ${error.exitCode}, ${error.code}`);
    must(written.length > 10, 'a line says what was wrong');
    return isHelp ? 'accepted' : 'refused';
  } finally {
    for (const name of Object.keys(env)) delete process.env[name];
  }
}

function check(command: Command, given: Record<string, unknown>, isPing: boolean): void {
  for (const [name, value] of Object.entries(given)) {
    if (!NUMBERS.test(name)) continue;
    const isNumber = typeof value === 'number' && value >= 0;
    must(isNumber, () => `${name} is ${String(value)}`);
  }
  if (isPing) {
    resolveSettings(given);
    return;
  }
  const { ttlMs, preset, ...options } = withPreset(command, given);
  must(preset === undefined || typeof preset === 'string', 'the name of a preset');
  const { sharding } = checkOptions({
    ...options,
    ttlMs: ttlMs === 'never' ? null : (ttlMs as number),
  });
  for (const value of Object.values(sharding)) {
    must(typeof value !== 'number' || Number.isSafeInteger(value), 'options are whole numbers');
  }
}
