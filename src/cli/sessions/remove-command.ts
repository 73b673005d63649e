/**
 * `sessile remove`: ends a session at once, whoever uses it. Asks first.
 */
import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { SessileError } from '../../core/errors.ts';
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
import { detailLines, jsonOf } from './describe.ts';
import { parseId } from './id.ts';

/** Exit code when nothing was removed. */
const EXIT_NOTHING = 2;

interface RemoveOptions extends EndpointOptions {
  readonly yes: boolean;
  readonly json: boolean;
}

const NOTES = `
Exit codes: 0 removed; 1 wrong usage, nobody there, or refused; 2 nothing was removed: no session
of this id is live, or the answer was no.`;

export function removeCommand(): Command {
  const command = new Command('remove')
    .description('End a live session of a server. Its client is told `removed`.')
    .argument('<id>', 'the client id: 32 hexadecimal digits', parseId)
    .argument('[address]', 'host:port of the server (default: 127.0.0.1:7377)', parseAddress)
    .option('--yes', 'do not ask', false)
    .option('--json', 'as JSON', false);
  return withEndpointOptions(command).addHelpText('after', NOTES).action(remove);
}

async function remove(
  id: string,
  address: Address | undefined,
  options: RemoveOptions,
): Promise<void> {
  const { yes, json } = options;
  if (!yes && !(process.stdin.isTTY && process.stderr.isTTY)) {
    const text =
      'nobody can be asked whether to remove it: standard input is no terminal; use --yes';
    throw new SessileError('not_confirmed', text, { id });
  }
  await withConnection(endpointOf(address, options), async (connection) => {
    if (!yes) {
      const found = await connection.inspect(id);
      if (found === null) return report(id, false, json);
      if (!(await isMeant(detailLines(found, Date.now(), styleFor(process.stderr))))) {
        process.stderr.write('nothing was removed\n');
        process.exitCode = EXIT_NOTHING;
        return;
      }
    }
    await report(id, await connection.remove(id), json);
  });
}

async function report(id: string, isRemoved: boolean, asJson: boolean): Promise<void> {
  if (!isRemoved) process.exitCode = EXIT_NOTHING;
  if (asJson) return printLine(jsonOf({ id, removed: isRemoved }));
  if (isRemoved) return printLine(`removed ${id}`);
  process.stderr.write(`sessile: no session of ${id} is live\n`);
}

/** Shows what it is about, and asks. */
async function isMeant(lines: readonly string[]): Promise<boolean> {
  process.stderr.write(`${lines.join('\n')}\n`);
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  // The end of the input, or Ctrl-C, is a no.
  const closed = new Promise<string>((resolve) => asking.once('close', () => resolve('')));
  const answer = await Promise.race([asking.question('Remove this session? [y/N] '), closed]);
  asking.close();
  return /^y(es)?$/i.test(answer.trim());
}
