#!/usr/bin/env node
/**
 * The `sessile` command. Each subcommand is a file of its own; bad usage and failed starts end
 * with a line on standard error and exit code 1.
 */
import { Command } from 'commander';
import { VERSION } from '../version.ts';
import { demoCommand } from './demo.ts';
import { inspectCommand } from './inspect.ts';
import { pingCommand } from './ping.ts';
import { repairCommand } from './repair.ts';
import { serveCommand } from './serve.ts';

const program = new Command('sessile')
  .description('A session engine: bounded sessions, every request executed exactly once.')
  .version(VERSION)
  .addCommand(serveCommand())
  .addCommand(pingCommand())
  .addCommand(demoCommand())
  .addCommand(inspectCommand())
  .addCommand(repairCommand());

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`sessile: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
