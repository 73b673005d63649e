/**
 * docs/cli.md: its examples are run as they stand, one after the other against one server, and
 * print what stands there but for the figures; and it names every option that there is.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { benchCommand } from '../../dist/cli/bench/command.js';
import { inspectCommand } from '../../dist/cli/inspect.js';
import { pingCommand } from '../../dist/cli/ping.js';
import { repairCommand } from '../../dist/cli/repair.js';
import { listCommand } from '../../dist/cli/sessions/list-command.js';
import { removeCommand } from '../../dist/cli/sessions/remove-command.js';
import { statCommand } from '../../dist/cli/watch/stat-command.js';
import { topCommand } from '../../dist/cli/watch/top-command.js';
import { Command, run } from '../cli/command.ts';

const TEXT = readFileSync(fileURLToPath(new URL('../../docs/cli.md', import.meta.url)), 'utf8');
/** Those that docs/cli.md describes; it refers elsewhere for `serve`. */
const COMMANDS = [
  ...[pingCommand(), benchCommand(), topCommand(), statCommand()],
  ...[listCommand(), inspectCommand(), removeCommand(), repairCommand()],
];

interface Example {
  readonly command: string;
  /** Nothing: whatever it prints is good. */
  readonly expected: readonly string[];
}

const EXAMPLES = [...TEXT.matchAll(/^```console run\n([\s\S]*?)^```$/gm)].flatMap(([, block]) =>
  block
    .split(/^\$ sessile /m)
    .slice(1)
    .map((part): Example => {
      const [command, ...expected] = part.trimEnd().split('\n');
      return { command, expected };
    }),
);

/** A line whose figures, times and sizes are all alike, and its spaces too. */
function shapeOf(line: string): string {
  return line
    .replace(/\b[0-9a-f]{32}\b/g, '<id>')
    .replace(/\d{4}-\d\d-\d\dT[\d:]+Z|\d\d:\d\d:\d\d/g, '<time>')
    .replace(/(\d[\d,.]*k?)( ?(µs|ms|KiB|MiB|GiB|B|s|m|h|d)\b)?( \d+ (s|m|h)\b)?/g, '#')
    .replace(/ +/g, ' ')
    .trimEnd();
}

test('each example prints what it says, but for the figures', async () => {
  const server = new Command(['serve', '--port', '0', '--shards', '1']);
  const port = String(await server.port());
  expect(EXAMPLES.length).toBeGreaterThan(7);
  for (const { command, expected } of EXAMPLES) {
    const { code, out, err } = await run(command.replaceAll('7377', port).split(' '));
    expect({ code, err }, command).toEqual({ code: 0, err: '' });
    const printed = out.replaceAll(port, '7377').split('\n').map(shapeOf);
    expect(printed.slice(0, expected.length), command).toEqual(expected.map(shapeOf));
  }
});

test('every option of every command is named', () => {
  const helps = COMMANDS.map((command) => command.helpInformation());
  const options = helps.flatMap((text) => [...text.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)]);
  expect(options.length).toBeGreaterThan(40);
  const isMissing = (option: string) => !new RegExp(`${option}(?![\\w-])`).test(TEXT);
  const known = ['--help', '--host', '--port', '--count', '--yes'];
  const names = options.map(([, option]) => option);
  const missing = names.filter((option) => !known.includes(option));
  expect(missing.filter(isMissing)).toEqual([]);
});

test('it has a section for every command', async () => {
  const { out } = await run(['--help']);
  const commands = [...out.matchAll(/^ {2}(\w+) \[/gm)].map(([, name]) => name);
  expect(commands.length).toBeGreaterThan(9);
  for (const name of commands.filter((one) => one !== 'help')) {
    expect(TEXT).toContain(`\n## ${name}\n`);
    expect(TEXT).toContain(`[\`${name}\`](#${name})`);
  }
});
