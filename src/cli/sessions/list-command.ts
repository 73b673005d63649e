/**
 * `sessile list`: the live sessions of a server.
 */
import { Command } from 'commander';
import { InvalidOptionError, integerOption } from '../../core/errors.ts';
import type { SessionPage } from '../../transport/client/answers.ts';
import type { Connection } from '../../transport/client/connection.ts';
import type { SessionFilter } from '../../transport/client/operator.ts';
import { LIST_LIMIT_MAX } from '../../workers/limits.ts';
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
import { count } from '../terminal/figures.ts';
import { styleFor } from '../terminal/style.ts';
import { jsonOf, sessionTable } from './describe.ts';

/** Sessions in one page: enough for a screen, and with --all few enough to come at once. */
const LIMIT_DEFAULT = 100;
const LIMIT_ALL = 1_000;

interface ListOptions extends EndpointOptions, SessionFilter {
  readonly all: boolean;
  readonly json: boolean;
}

const NOTES = `
With --json each page is an object on a line of its own: { "sessions": […], "cursor": … }.

Exit codes: 0 done, also when there is none; 1 wrong usage, nobody there, or refused.`;

export function listCommand(): Command {
  const command = new Command('list')
    .description('List the live sessions of a server.')
    .argument('[address]', 'host:port of the server (default: 127.0.0.1:7377)', parseAddress)
    .option('--prefix <digits>', 'only ids that begin with these hexadecimal digits')
    .option('--idle-ms-min <ms>', 'only those idle for at least so long', wholeNumber)
    .option('--age-ms-min <ms>', 'only those registered at least so long ago', wholeNumber)
    .option(
      '--limit <count>',
      `sessions in a page, up to ${LIST_LIMIT_MAX} (default: ${LIMIT_DEFAULT})`,
      wholeNumber,
    )
    .option('--cursor <cursor>', 'where the page before ended')
    .option('--all', 'page after page to the end', false)
    .option('--json', 'as JSON', false);
  return withEndpointOptions(command).addHelpText('after', NOTES).action(list);
}

async function list(address: Address | undefined, options: ListOptions): Promise<void> {
  const { all, json, prefix, idleMsMin, ageMsMin, cursor } = options;
  if (all && cursor !== undefined) {
    throw new InvalidOptionError(
      '--cursor',
      cursor,
      'given without --all, which starts at the start',
    );
  }
  const asked = options.limit ?? (all ? LIMIT_ALL : LIMIT_DEFAULT);
  const limit = integerOption('--limit', asked, 1, LIST_LIMIT_MAX);
  const filter = { prefix, idleMsMin, ageMsMin, cursor, limit };
  await withConnection(endpointOf(address, options), async (connection) => {
    let total = 0;
    let page = await connection.list(filter);
    for (;;) {
      total += page.sessions.length;
      await (json ? printLine(jsonOf(page)) : printPage(page, total));
      if (!all || page.cursor === null) break;
      page = await connection.list({ ...filter, cursor: page.cursor });
    }
    if (!json) await printEnd(connection, total, page.cursor);
  });
}

async function printPage({ sessions }: SessionPage, total: number): Promise<void> {
  const lines = sessionTable(sessions, Date.now(), styleFor(process.stdout));
  // One header is enough, even where there are more pages.
  const isFirst = total === sessions.length;
  const shown = isFirst ? lines : lines.slice(1);
  if (sessions.length > 0) await printLine(shown.join('\n'));
}

async function printEnd(
  connection: Connection,
  shown: number,
  cursor: string | null,
): Promise<void> {
  const { dim } = styleFor(process.stdout);
  const { sessions, sessionsMax } = await connection.stats();
  const live = `${count(Number(sessions))} of ${count(Number(sessionsMax))} sessions are live`;
  const line = `${count(shown)} shown; ${live}`;
  await printLine(dim(cursor === null ? line : `${line}; more with --cursor ${cursor} or --all`));
}
