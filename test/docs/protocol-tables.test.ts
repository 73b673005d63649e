/** The tables of docs/protocol.md name what the server has: all of it, and nothing else. */
import { readFileSync } from 'node:fs';
import { decode, encode } from '@msgpack/msgpack';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_NAMES, REASON_NAMES } from '../../dist/core/codes.js';
import { type RunningServer, serve } from '../../dist/serve.js';
import { framed, RawConnection, unframed } from '../interop/raw-connection.ts';

const text = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const ID = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const INFO = 6;

/** The cells of each row of the first table below a line. */
function tableBelow(line: string): string[][] {
  const lines = text.split('\n');
  const from = lines.indexOf(line);
  expect(from, line).toBeGreaterThan(0);
  const first = lines.findIndex((each, index) => index >= from && each.startsWith('|--'));
  const end = lines.findIndex((each, index) => index > first && !each.startsWith('|'));
  return lines.slice(first + 1, end).map((row) => row.split('|').map((cell) => cell.trim()));
}

/** The names in the first column, of which a row may have further words. */
const names = (line: string): string[] =>
  tableBelow(line).map((cells) => /`(\w+)`/.exec(cells[1])?.[1] ?? cells[1]);

let server: RunningServer;
let connection: RawConnection;

beforeAll(async () => {
  server = await serve({ port: 0, shards: 0, sessionsAfter: 0 });
  connection = await RawConnection.open(server.address.port);
  connection.send(framed(encode([0, 1, {}])));
});
afterAll(async () => {
  connection.close();
  await server.stop();
});

async function receive(): Promise<unknown[]> {
  return decode(unframed((await connection.next()) ?? new Uint8Array(5))) as unknown[];
}

/** The body of a call's result. */
async function call(id: Uint8Array | null, operation: number | string, body: unknown) {
  connection.send(framed(encode([5, 1, id, operation, body])));
  const [, correlation, status, result] = await receive();
  expect([correlation, status]).toEqual([1, 0]);
  return result as Record<string, unknown>;
}

describe('docs/protocol.md', () => {
  it('has the operations of session data under their numbers', async () => {
    const [, , about] = (await receive()) as [number, number, { operations: object }];
    const rows = tableBelow('### 12.1 Session data');
    const operations = rows.map((cells) => [cells[1].replaceAll('`', ''), Number(cells[2])]);
    expect(Object.fromEntries(operations)).toEqual(about.operations);
    expect(operations.map(([, number]) => number)).toEqual(operations.map((_, index) => index));
  });

  it('has every key of info, of an entry and of stats', async () => {
    connection.send(framed(encode([1, ID, { ttl_ms: null }])));
    await receive();
    expect(Object.keys(await call(ID, INFO, null))).toEqual(
      names('| key of `info` | type | meaning |'),
    );
    const entry = names('| key of an entry | type | meaning |');
    const { sessions } = (await call(null, 'list', { limit: 1 })) as { sessions: [object] };
    expect(Object.keys(sessions[0])).toEqual(entry);
    const inspected = await call(null, 'inspect', { id: ID });
    expect(Object.keys(inspected)).toEqual([...entry, 'rate', 'capabilities']);
    expect(Object.keys(await call(null, 'stats', null))).toEqual(
      names('| key of `stats` | meaning |'),
    );
  });

  it('has filters that list knows', async () => {
    const filters = names('| filter | type | meaning |');
    expect(filters.length).toBeGreaterThan(3);
    for (const filter of filters) await call(null, 'list', { [filter]: null });
  });

  it('has every error code and every reason', () => {
    expect([...new Set(names('## 9. Error codes'))].sort()).toEqual([...ERROR_NAMES].sort());
    expect(names('## 10. Eviction reasons')).toEqual([...REASON_NAMES]);
  });
});
