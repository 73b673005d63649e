/** The tables of docs/metrics.md name what a server tells: all of it, and nothing else. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { serve } from '../../dist/serve.js';
import { connect } from '../../dist/transport/client/connection.js';
import { asJson, ask, readMetrics } from '../operating/http.ts';

const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');

/** The names in the first column of the table that has such a head. */
function namesBelow(head: string): string[] {
  const lines = text.split('\n');
  const from = lines.indexOf(head) + 2;
  expect(from, head).toBeGreaterThan(2);
  const end = lines.findIndex((line, index) => index > from && !line.startsWith('|'));
  return lines.slice(from, end).map((line) => /`([^`]+)`/.exec(line)![1]);
}

/** The paths of all fields of a status but those with a table of their own. */
function pathsOf(value: object, parts: readonly string[], before = ''): string[] {
  return Object.entries(value).flatMap(([name, item]) => {
    const path = `${before}${name}`;
    if (parts.includes(name) || typeof item !== 'object' || item === null) return [path];
    const inner = Array.isArray(item) ? item[0] : item;
    const own = Array.isArray(item) || 'folder' in item || 'state' in item || 'refused' in item;
    const array = Array.isArray(item) ? '[].' : '.';
    return [...(own ? [path] : []), ...pathsOf(inner, parts, `${path}${array}`)];
  });
}

it('docs/metrics.md has every field, count, column and metric', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sessile-docs-'));
  onTestFinished(() => rmSync(dataDir, { recursive: true }));
  const server = await serve({ port: 0, operatorPort: 0, shards: 1, dataDir });
  onTestFinished(() => server.stop());
  const connection = await connect({ port: server.address.port });
  await (await connection.session()).put({ n: 1 });
  await connection.close();
  const { operatorAddress } = server;
  const status = (await asJson(operatorAddress!, '/status.json')) as Record<string, never>;

  const counts = namesBelow('| count | meaning |');
  expect(Object.keys(status.totals)).toEqual(counts);
  const fields = namesAfter('## Status');
  expect(Object.keys(status.duration)).toEqual(namesAfter('### Histograms'));
  const parts = ['totals', 'errors', 'duration', 'sync', 'event_loop_delay'];
  const inTables = new Set([...counts, 'shard', 'sessions', 'executing']);
  const paths = pathsOf(status, parts).filter((path) => {
    const [array, name] = path.split('[].');
    return !(array === 'shards' && inTables.has(name));
  });
  expect(paths.sort()).toEqual(fields.sort());

  const { columns } = (await asJson(operatorAddress!, '/history.json')) as { columns: string[] };
  expect(columns).toEqual(namesBelow('| column | unit |'));

  const metrics = (await ask(operatorAddress!, '/metrics')).text;
  readMetrics(metrics);
  const described = text.split('\n').flatMap((line) => {
    const [, name, type] = /^\| `(\w+)` \| (counter|gauge|histogram|summary) \|/.exec(line) ?? [];
    return name === undefined ? [] : [`# TYPE ${name} ${type}`];
  });
  expect(metrics.split('\n').filter((line) => line.startsWith('# TYPE'))).toEqual(described);
});

/** The same of the first table after a line. */
function namesAfter(line: string): string[] {
  const rest = text.slice(text.indexOf(`\n${line}\n`));
  const [, rows] = /\n\|--.*\n((?:\|.*\n)+)/.exec(rest)!;
  return rows
    .trimEnd()
    .split('\n')
    .map((row) => /`([^`]+)`/.exec(row)![1]);
}
