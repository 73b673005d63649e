/** The Python example, which was written from docs/protocol.md, against a running server. */
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, type TestContext } from 'vitest';
import { serve } from '../../dist/serve.js';

const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('python_session.py', import.meta.url));
const hasMsgpack = spawnSync(PYTHON, ['-c', 'import msgpack']).status === 0;

/** Runs the script against a new server; returns what it prints. */
async function run(steps: 'sessions' | 'data', context: TestContext): Promise<unknown[]> {
  context.skip(!hasMsgpack, `${PYTHON} has no msgpack; install python3-msgpack to run this test`);
  const server = await serve({ port: 0, shards: 1, sessionsMax: 2 });
  try {
    // -B: no bytecode is left beside the example.
    const args = ['-B', SCRIPT, String(server.address.port), steps];
    const { stdout } = await promisify(execFile)(PYTHON, args);
    const lines = stdout.trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line));
  } finally {
    await server.stop();
  }
}

it('lets a client written in Python register, retry, reconnect and be evicted', async (context) => {
  expect(await run('sessions', context)).toEqual([
    ['operations', expect.arrayContaining(['echo', 'get', 'put'])],
    ['register', [0, false, 60_000]],
    ['put', 1],
    ['get', [1, { color: 'blue' }]],
    ['put whose reply is lost twice', 2],
    ['replies lost, alike', [2, true]],
    ['get after it', [2, { color: 'red' }]],
    ['put of no map', 'invalid_body'],
    ['echo over a new connection', ['a', 1, null]],
    ['register again', [true, 6, true]],
    ['told of the eviction', ['evicted', null, null]],
    ['request after it', ['evicted', false]],
    ['the others go on', [2, 3]],
    ['closed', 'closed'],
    ['the same id anew', [true, 0, false]],
  ]);
});

it('lets it give options, work on data, call, and see limits', async (context) => {
  expect(await run('data', context)).toEqual([
    ['granted', [[1000, 1000], [], 3_600_000]],
    ['first data', [1, { n: 1, x: [2] }]],
    ['increment', 5],
    ['merge', 3],
    ['conflict', 3],
    ['put_if', 4],
    ['batch of which one fails', ['invalid_body', 1]],
    ['batch', [6, [5, { n: 6 }]]],
    ['peek', [5, { n: 6 }]],
    ['info', [null, 5, true]],
    ['nothing changed', [null, [5, { n: 6 }]]],
    ['refused', 'invalid_options'],
    ['one after the other', [1, 2]],
    ['call too soon', ['rate_limited', true]],
    ['listed', [2, 2]],
    ['inspected', [2, 1]],
    ['removed', [true, false]],
    ['told', 'removed'],
    ['its connection ended', 'disconnected'],
    ['idle for too long', 'expired'],
  ]);
});
