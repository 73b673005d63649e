/** The Python example, which was written from docs/protocol.md, against a running server. */
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { serve } from '../../dist/serve.js';

const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('python_session.py', import.meta.url));
const hasMsgpack = spawnSync(PYTHON, ['-c', 'import msgpack']).status === 0;

it('lets a client written in Python register, retry, reconnect and be evicted', async (context) => {
  context.skip(!hasMsgpack, `${PYTHON} has no msgpack; install python3-msgpack to run this test`);
  const server = await serve({ port: 0, shards: 1, sessionsMax: 2 });
  try {
    // -B: no bytecode is left beside the example.
    const args = ['-B', SCRIPT, String(server.address.port)];
    const { stdout } = await promisify(execFile)(PYTHON, args);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
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
  } finally {
    await server.stop();
  }
});
