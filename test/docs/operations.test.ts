/** docs/operations.md says of limits, memory, events, metrics and errors what the code says. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { serve } from '../../dist/serve.js';
import { inspectCommand } from '../../src/cli/inspect.ts';
import { pingCommand } from '../../src/cli/ping.ts';
import { repairCommand } from '../../src/cli/repair.ts';
import { serveCommand } from '../../src/cli/serve.ts';
import { ERROR_NAMES, STATUS_NAMES } from '../../src/core/codes.ts';
import { EVENT_NAMES } from '../../src/core/event-log.ts';
import { checkOptions, defaultShards } from '../../src/embedding/options.ts';
import * as httpLimits from '../../src/operating/limits.ts';
import * as transportLimits from '../../src/transport/limits.ts';
import * as workerLimits from '../../src/workers/limits.ts';
import { createShardMemory } from '../../src/workers/shard-memory.ts';
import { ask } from '../operating/ask.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const text = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');

/** The rows of the table whose first line begins like this, each as its cells. */
function table(head: string): string[][] {
  const lines = text.split('\n');
  const from = lines.findIndex((line) => line.startsWith(head));
  expect(from, head).toBeGreaterThan(0);
  const end = lines.findIndex((line, index) => index > from && !line.startsWith('|'));
  return lines.slice(from + 2, end).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

/** All that stands between backticks. */
const named = (part: string): string[] =>
  [...part.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]);

const camel = (option: string): string =>
  option.slice(2).replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

const sources: string[] = [];
for (const entry of readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
  sources.push(readFileSync(join(entry.parentPath, entry.name), 'utf8'));
}

/** What a pattern's first group finds in all sources. */
function inSources(pattern: RegExp): string[] {
  const found = sources.flatMap((source) => [...source.matchAll(pattern)].map((match) => match[1]));
  expect(found.length).toBeGreaterThan(0);
  return [...new Set(found)];
}

describe('limits', () => {
  const rows = table('| option | default |');

  test.each(rows)('%s is %s unless chosen, from %s to %s', async (cell, byDefault, least, most) => {
    const [flag] = named(cell);
    const option = serveCommand().options.find(({ long }) => long === flag);
    const shown = flag === '--shards' ? 'cores − 1' : String(option?.defaultValue ?? byDefault);
    expect(shown.replace(/ .*or 0.*/, '')).toBe(byDefault);
    // Refused before anything is made there.
    const dataDir = '/nowhere';
    const wrong = serve({ port: 0, shards: 0, dataDir, [camel(flag)]: -1 });
    await expect(wrong).rejects.toMatchObject({
      option: camel(flag),
      expected: `a whole number from ${least} to ${most}`,
    });
  });

  test('every option of serve that is a number is there', () => {
    const numeric = serveCommand().options.filter(({ flags }) =>
      /<(count|bytes|ms|port)>/.test(flags),
    );
    expect(rows.map(([cell]) => named(cell)[0]).sort()).toEqual(
      numeric.map(({ long }) => long).sort(),
    );
    expect(defaultShards()).toBeGreaterThan(0);
  });

  test('that are not to be chosen have the values that the code has', () => {
    const all: Record<string, unknown> = { ...transportLimits, ...workerLimits, ...httpLimits };
    const fixed = table('| not to be chosen |');
    expect(fixed.length).toBeGreaterThan(5);
    for (const [cell, value] of fixed) expect(String(all[named(cell)[0]]), cell).toBe(value);
  });
});

test('the memory of the tables is what the engine reserves', () => {
  const rows = table('| sessions-max | shards |');
  expect(rows.length).toBeGreaterThan(2);
  for (const row of rows) {
    const [sessionsMax, shards, dataBytesMax, replyBytesMax, bytes] = row.map(Number);
    const { sharding } = checkOptions({ sessionsMax, shards, dataBytesMax, replyBytesMax });
    const { arenas } = createShardMemory(sharding, 1, false);
    const reserved = arenas.reduce((sum, arena) => sum + arena.byteLength, 0);
    expect(reserved, row.join(' ')).toBe(bytes);
    expect(bytesByFormula(sessionsMax, shards, dataBytesMax, replyBytesMax) / bytes).toBeCloseTo(
      1,
      3,
    );
  }
});

/** The formula of the document, without its few KiB. */
function bytesByFormula(sessionsMax: number, shards: number, data: number, reply: number): number {
  const share = sessionsMax / shards;
  const spread = Math.ceil(share + 8 * Math.sqrt(share));
  const slots = sessionsMax <= 4096 ? sessionsMax : Math.min(sessionsMax, spread);
  const power = (count: number): number => 2 ** Math.ceil(Math.log2(count));
  const index = 8 * power(2 * slots);
  return shards * (slots * (168 + data + reply) + index + 32 * Math.min(power(slots), 65_536));
}

test('every event is there, and no other', () => {
  expect(table('| event | level |').map(([cell]) => named(cell)[0])).toEqual([...EVENT_NAMES]);
});

test('every metric that is named is one that the server has', async () => {
  const server = await serve({ port: 0, shards: 0, operatorPort: 0 });
  const answer = await ask(server.operatorAddress!.port, '/metrics');
  await server.stop();
  const rows = table('| metric | when |');
  expect(rows.length).toBeGreaterThan(10);
  const metrics = named(text).filter((name) => /^(sessile|process)_\w+/.test(name));
  for (const name of metrics) {
    expect(answer, name).toContain(`# TYPE ${name.replace(/\{.*/, '')} `);
  }
});

describe('troubleshooting', () => {
  const part = text.slice(text.indexOf('## Troubleshooting'));
  const names = new Set(named(part));

  test('has every code that the protocol and replies have', () => {
    for (const name of [...ERROR_NAMES, ...STATUS_NAMES.slice(1)])
      expect(names, name).toContain(name);
  });

  test('has every code that is thrown anywhere in the source', () => {
    const thrown = [
      ...inSources(/new (?:SessileError|RefusedError)\(\s*'(\w+)'/g),
      ...inSources(/new Refusal\(\s*\d+,\s*'(\w+)'/g),
      ...inSources(/super\(\s*'(\w+)',/g),
    ];
    expect(thrown.length).toBeGreaterThan(30);
    for (const code of thrown) expect(names, code).toContain(code);
  });

  test('has every class of errors that users can meet', () => {
    const index = readFileSync(join(ROOT, 'src/index.ts'), 'utf8');
    const classes = inSources(/class (\w+(?:Error|Failure)) extends/g);
    const met = classes.filter((name) => new RegExp(`\\b${name}\\b`).test(index));
    expect(met.length).toBeGreaterThan(15);
    for (const name of [...met, 'CorruptLogError']) expect(names, name).toContain(name);
  });

  test('names no code that there is not', () => {
    const all = sources.join('\n');
    const firsts = ['| code | means |', '| class | code |'];
    const codes = part
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) => named(line.split('|')[1]));
    expect(firsts.every((head) => part.includes(head))).toBe(true);
    for (const code of codes) expect(all, code).toMatch(new RegExp(`\\b${code}\\b`));
  });
});

test('every exit code of the command is there', () => {
  const rows = table('| exit code | means |').map(([code]) => code);
  for (const code of ['0', '1', ...inSources(/const EXIT_\w+ = (\d+)/g)]) {
    // What flock(1) ends with is not ours.
    expect(rows).toContain(code);
  }
});

test('every option that is named is one of a command', () => {
  const commands = [serveCommand(), inspectCommand(), repairCommand(), pingCommand()];
  const helps = commands.map((command) => command.helpInformation());
  const inCode = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]).join('\n');
  const ofOthers = ['--read-only', '--stop-timeout', '--ulimit'];
  const flags = [...named(text), inCode].join(' ').match(/--[a-z][\w-]*/g) ?? [];
  expect(flags.length).toBeGreaterThan(20);
  for (const flag of new Set(flags)) {
    if (!ofOthers.includes(flag)) expect(helps.join('\n'), flag).toContain(`${flag} `);
  }
});
