/**
 * `sessile inspect`: what a data directory holds, and whether it is whole; or, given a client id,
 * what a server knows of that session. It reads only.
 */
import { existsSync } from 'node:fs';
import { sep } from 'node:path';
import { Command } from 'commander';
import { InvalidOptionError, SessileError } from '../core/errors.ts';
import { nodeDisk } from '../journal/disk.ts';
import { type Examination, examine, type SegmentReport } from '../journal/examine.ts';
import {
  type Address,
  type EndpointOptions,
  endpointOf,
  nameOf,
  parseAddress,
  withEndpointOptions,
} from './endpoint.ts';
import { ID_DIGITS, isId } from './sessions/id.ts';
import { inspectSession } from './sessions/inspect-session.ts';

/** Exit code when a start would refuse the directory. */
const EXIT_DAMAGED = 2;

interface InspectOptions extends EndpointOptions {
  readonly json: boolean;
}

const NOTES = `
32 hexadecimal digits are a client id, and anything else is a folder; write ./ before the name of
a folder that looks like an id. The address and the options of the connection are for ids only.

Exit codes: 0 done; 1 wrong usage, nobody there, or no data directory; 2 the directory is damaged,
or no session of the id is live.`;

export function inspectCommand(): Command {
  const command = new Command('inspect')
    .description('Show a live session, or what a data directory holds and whether it is whole.')
    .argument('<what>', 'a client id, or a data directory')
    .argument(
      '[address]',
      'with an id, host:port of the server (default: 127.0.0.1:7377)',
      parseAddress,
    )
    .option('--json', 'as JSON', false);
  return withEndpointOptions(command).addHelpText('after', NOTES).action(inspect);
}

async function inspect(
  what: string,
  address: Address | undefined,
  options: InspectOptions,
): Promise<void> {
  if (isId(what)) {
    return inspectSession(what.toLowerCase(), endpointOf(address, options), options.json);
  }
  if (!existsSync(what)) throw neither(what);
  if (address !== undefined) {
    const given = nameOf(endpointOf(address, options));
    throw new InvalidOptionError('address', given, 'left out: what is inspected is a folder');
  }
  inspectFolder(what, options.json);
}

/** Says which of the two was probably meant, and what the other looks like. */
function neither(what: string): SessileError {
  const isPath = what.includes('/') || what.includes(sep);
  const digits = what.replace(/^(?:0x|hex:)/i, '').replaceAll('-', '');
  const isNearlyId = !isPath && /^[0-9a-f]+$/i.test(digits);
  const here = isNearlyId && digits.length !== ID_DIGITS ? ` (here: ${digits.length})` : '';
  const id = `a client id is ${ID_DIGITS} hexadecimal digits${here} without dashes or prefix`;
  const folder = 'a data directory is named by its path, such as ./data';
  const text = isPath
    ? `there is no folder ${what}: ${folder}; ${id}`
    : `${what} is no client id, and there is no folder of that name: ${id}; ${folder}`;
  return new SessileError('invalid_options', text, { what });
}

function inspectFolder(folder: string, asJson: boolean): void {
  const found = examine(nodeDisk, folder);
  const text = asJson ? JSON.stringify(found, null, 2) : textOf(found);
  process.stdout.write(`${text}\n`);
  if (found.segments.some(({ damage }) => damage !== undefined)) process.exitCode = EXIT_DAMAGED;
}

/** The examination as lines for a terminal. */
function textOf({ manifest, segments, sessions, leftovers }: Examination): string {
  const { format, engine, generation, shards, sessionsMax } = manifest;
  const lines = [
    `format ${format}, engine ${engine}, generation ${generation}, ` +
      `${shards} shards, at most ${sessionsMax} sessions`,
    '',
    row(['segment', 'bytes', 'blocks', 'states', 'ends', 'health']),
  ];
  for (const [index, one] of segments.entries()) {
    const isLast = segments[index + 1]?.shard !== one.shard;
    const numbers = [one.fileBytes, one.blocks, one.states, one.ends].map(String);
    lines.push(row([one.name, ...numbers, healthOf(one, isLast)]));
  }
  for (const name of leftovers)
    lines.push(`${name}: of another generation, removed at the next start`);
  lines.push('', `${sessions} sessions`);
  const damaged = segments.filter(({ damage }) => damage !== undefined);
  for (const { name, offset, damage } of damaged) {
    lines.push(`damaged: ${name} at offset ${offset}: ${damage}`);
  }
  lines.push(
    damaged.length === 0 ? 'whole' : 'a server refuses to start from this: see sessile repair',
  );
  return lines.join('\n');
}

function healthOf({ damage, restBytes }: SegmentReport, isLast: boolean): string {
  if (damage !== undefined) return 'DAMAGED';
  if (restBytes === 0) return 'good';
  return isLast
    ? `good; ${restBytes} bytes at the end were never acknowledged`
    : `good; ${restBytes} bytes at the end are passed over`;
}

const WIDTHS = [30, 12, 10, 10, 10];

function row(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[i] ?? 0)))
    .map((cell, i) => (i === WIDTHS.length ? `  ${cell}` : cell))
    .join('');
}
