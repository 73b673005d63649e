/**
 * `sessile stat`: a line at each interval on what a server did in it.
 */
import { Command } from 'commander';
import { wholeNumber } from '../arguments.ts';
import { withConnection } from '../client.ts';
import {
  type Address,
  type EndpointOptions,
  endpointOf,
  parseAddress,
  withEndpointOptions,
} from '../endpoint.ts';
import { printLine } from '../output.ts';
import { styleFor } from '../terminal/style.ts';
import { parseInterval } from './interval.ts';
import { ratesOf } from './rates.ts';
import { Sampler } from './sampler.ts';
import { onceTold } from './signals.ts';
import { STAT_HEADER, statLine, statObject } from './stat-line.ts';
import { untilLost } from './until-lost.ts';

/** The header again after so many lines: on most terminals it stays in sight. */
const HEADER_EVERY = 20;

interface StatOptions extends EndpointOptions {
  readonly interval: number;
  readonly count?: number;
  readonly json: boolean;
}

const NOTES = `
Columns: live sessions, connections; then a second: requests, calls, replies that were stored
already, refusals, evictions, expiries; then how long the server took for requests and calls.
With --json each line is an object; its durations are in microseconds.

Exit codes: 0 done, also when interrupted; 1 wrong usage, nobody there, or refused; 2 the server
went away.`;

export function statCommand(): Command {
  const command = new Command('stat')
    .description('A line at each interval on what a server does.')
    .argument('[address]', 'host:port of the server (default: 127.0.0.1:7377)', parseAddress)
    .option('-i, --interval <seconds>', 'time between two lines', parseInterval, 1)
    .option('-n, --count <count>', 'lines to print (default: until interrupted)', wholeNumber)
    .option('--json', 'an object on each line', false);
  return withEndpointOptions(command).addHelpText('after', NOTES).action(stat);
}

async function stat(address: Address | undefined, options: StatOptions): Promise<void> {
  const { interval, count = Number.POSITIVE_INFINITY, json } = options;
  await withConnection(endpointOf(address, options), async (connection) => {
    const sampler = new Sampler(connection, interval * 1000);
    const letGo = onceTold(() => sampler.stop());
    try {
      await untilLost(connection, print(sampler, count, json));
    } finally {
      sampler.stop();
      letGo();
    }
  });
}

async function print(sampler: Sampler, count: number, asJson: boolean): Promise<void> {
  const { dim } = styleFor(process.stdout);
  let lines = 0;
  for await (const sample of sampler.samples()) {
    const rates = ratesOf(sample.before, sample.after);
    if (asJson) await printLine(JSON.stringify(statObject(sample, rates)));
    else {
      if (lines % HEADER_EVERY === 0) await printLine(dim(STAT_HEADER));
      await printLine(statLine(sample, rates));
    }
    lines += 1;
    if (lines >= count) return;
  }
}
