#!/usr/bin/env node
/**
 * The `sessile` command. Each subcommand is a file of its own, and only the one that is asked for
 * is loaded; bad usage and failed starts end with a line on standard error and exit code 1.
 */
import { Command } from 'commander';
import { VERSION } from '../version.ts';
import { terminalText } from './option-names.ts';
import { endWithReader, outliveReader } from './output.ts';

/** In the order of `--help`. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.ts')).serveCommand(),
  ping: async () => (await import('./ping.ts')).pingCommand(),
  bench: async () => (await import('./bench/command.ts')).benchCommand(),
  top: async () => (await import('./watch/top-command.ts')).topCommand(),
  stat: async () => (await import('./watch/stat-command.ts')).statCommand(),
  list: async () => (await import('./sessions/list-command.ts')).listCommand(),
  inspect: async () => (await import('./inspect.ts')).inspectCommand(),
  remove: async () => (await import('./sessions/remove-command.ts')).removeCommand(),
  repair: async () => (await import('./repair.ts')).repairCommand(),
  demo: async () => (await import('./demo.ts')).demoCommand(),
};

const program = new Command('sessile')
  .description('A session engine: bounded sessions, every request executed exactly once.')
  .version(VERSION);

const asked = process.argv[2] ?? '';
if (asked === 'serve') outliveReader();
else endWithReader();
try {
  const names = Object.hasOwn(COMMANDS, asked) ? [asked] : Object.keys(COMMANDS);
  for (const name of names) program.addCommand(await COMMANDS[name]());
  await program.parseAsync();
} catch (error) {
  const command = program.commands.find((one) => one.name() === asked);
  process.stderr.write(`sessile: ${terminalText(error, command)}\n`);
  process.exitCode = 1;
}
