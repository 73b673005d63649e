/**
 * `sessile top`: a server's figures on one screen, drawn anew at each interval. Where the output is
 * no terminal each look is printed below the one before.
 */
import { Command } from 'commander';
import type { Connection } from '../../transport/client/connection.ts';
import { snakeCased } from '../../transport/wire-names.ts';
import { wholeNumber } from '../arguments.ts';
import { withConnection } from '../client.ts';
import {
  type Address,
  type EndpointOptions,
  endpointOf,
  nameOf,
  parseAddress,
  withEndpointOptions,
} from '../endpoint.ts';
import { printLine } from '../output.ts';
import { styleFor } from '../terminal/style.ts';
import { parseInterval } from './interval.ts';
import { ratesOf } from './rates.ts';
import { type Sample, Sampler } from './sampler.ts';
import { TerminalScreen } from './screen.ts';
import { onceTold } from './signals.ts';
import { type Screen, topView } from './top-view.ts';
import { untilLost } from './until-lost.ts';

/** Where there is no terminal that says how wide it is. */
const WIDTH_DEFAULT = 80;
/** A terminal may say that it has no width at all. */
const WIDTH_MIN = 40;

interface TopOptions extends EndpointOptions {
  readonly interval: number;
  readonly count?: number;
  readonly json: boolean;
}

const NOTES = `
q quits. Where the output is no terminal, each look is printed below the one before: use -n.
With --json each line is the whole status as the server tells it (docs/cli.md).

Exit codes: 0 done, also when interrupted; 1 wrong usage, nobody there, or refused; 2 the server
went away (on a terminal it is waited for instead).`;

export function topCommand(): Command {
  const command = new Command('top')
    .description("A server's figures on one screen, live.")
    .argument('[address]', 'host:port of the server (default: 127.0.0.1:7377)', parseAddress)
    .option('-i, --interval <seconds>', 'time between two looks', parseInterval, 1)
    .option('-n, --count <count>', 'looks (default: until q)', wholeNumber)
    .option('--json', 'an object on each line', false);
  return withEndpointOptions(command).addHelpText('after', NOTES).action(top);
}

async function top(address: Address | undefined, options: TopOptions): Promise<void> {
  const endpoint = endpointOf(address, options);
  await withConnection(endpoint, async (connection) => {
    const sampler = new Sampler(connection, options.interval * 1000);
    const letGo = onceTold(() => sampler.stop());
    try {
      if (process.stdout.isTTY && !options.json) {
        await watch(connection, sampler, nameOf(endpoint), options);
      } else await untilLost(connection, print(sampler, nameOf(endpoint), options));
    } finally {
      sampler.stop();
      letGo();
    }
  });
}

/** Draws on the terminal. A server that goes away is waited for. */
async function watch(
  connection: Connection,
  sampler: Sampler,
  name: string,
  { interval, count = Number.POSITIVE_INFINITY }: TopOptions,
): Promise<void> {
  const style = styleFor(process.stdout);
  const screen = new TerminalScreen(
    process.stdout,
    process.stdin.isTTY ? process.stdin : undefined,
  );
  let last: Sample | undefined;
  let note = `one moment: the first figures come after ${interval} s`;
  const draw = (): void => {
    const width = Math.max(WIDTH_MIN, screen.width || WIDTH_DEFAULT);
    const height = Math.max(1, screen.height - 1);
    const lines = last === undefined ? [name] : viewOf(last, name, { width, height, style });
    const help = `q quits   every ${interval} s`;
    screen.draw([...lines, note === '' ? style.dim(help) : style.yellow(note)]);
  };
  screen.enter(() => sampler.stop(), draw);
  try {
    draw();
    let looks = 0;
    while (!sampler.isStopped && looks < count) {
      try {
        for await (const sample of sampler.samples()) {
          last = sample;
          note = '';
          draw();
          looks += 1;
          if (looks >= count) break;
        }
      } catch (error) {
        if (connection.state === 'closed' || connection.state === 'failed') throw error;
        note = `the server does not answer; waiting for it (${messageOf(error)})`;
        draw();
      }
    }
  } finally {
    screen.leave();
  }
}

async function print(
  sampler: Sampler,
  name: string,
  { json, count = Number.POSITIVE_INFINITY }: TopOptions,
): Promise<void> {
  const screen = { width: WIDTH_DEFAULT, height: undefined, style: styleFor(process.stdout) };
  let looks = 0;
  for await (const sample of sampler.samples()) {
    if (json) await printLine(JSON.stringify(snakeCased(sample.after)));
    else {
      const lines = viewOf(sample, name, screen);
      await printLine([...(looks === 0 ? [] : ['']), ...lines].join('\n'));
    }
    looks += 1;
    if (looks >= count) return;
  }
}

function viewOf(sample: Sample, name: string, screen: Screen): string[] {
  return topView(sample, ratesOf(sample.before, sample.after), name, screen);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
