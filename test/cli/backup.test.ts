/** Copies of a data directory, made in the ways that docs/operations.md describes. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Connection } from '../../dist/transport/client/connection.js';
import { connect } from '../../dist/transport/client/connection.js';
import { Command, run } from './command.ts';

const PATIENCE = { timeoutMs: 20_000 };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sessile-backup-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Small segments: some are finished, cleaned and written again while the test runs. */
function serveOver(dataDir: string): Command {
  const args = ['serve', '--port', '0', '--shards', '1', '--data-dir', dataDir];
  return new Command([...args, '--segment-bytes-max', '65536']);
}

async function client(command: Command): Promise<Connection> {
  const connection = await connect({ port: await command.port() });
  onTestFinished(() => connection.close());
  return connection;
}

async function stop(command: Command): Promise<void> {
  command.kill('SIGTERM');
  expect(await command.ended).toMatchObject({ code: 0 });
}

/** Whether a process stands still: its state is the third field behind its name. */
function isStopped(pid: number): boolean {
  const tasks = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return /\) T /.test(tasks);
}

test.skipIf(!existsSync('/proc/self/stat'))(
  'a copy of one instant under load has every acknowledged request',
  async () => {
    const [original, copy] = [folder(), folder()];
    const running = serveOver(original);
    const connection = await client(running);
    const session = await connection.session();
    let acknowledged = 0;
    let goesOn = true;
    const load = (async () => {
      while (goesOn) {
        await session.put({ n: acknowledged + 1, pad: 'x'.repeat(900) }, PATIENCE);
        acknowledged += 1;
      }
    })();
    while (acknowledged < 100) await new Promise(setImmediate);
    running.kill('SIGSTOP');
    while (!isStopped(running.child.pid!)) await new Promise(setImmediate);
    const known = acknowledged;
    cpSync(original, copy, { recursive: true });
    running.kill('SIGCONT');
    while (acknowledged < known + 10) await new Promise(setImmediate);
    goesOn = false;
    await load;
    const restored = serveOver(copy);
    const resumed = await (await client(restored)).session({ id: session.id });
    const { data } = await resumed.get();
    // One more may have been on its way to the client.
    expect([known, known + 1]).toContain(data.n);
    await stop(restored);
    await stop(running);
  },
);

test('a copy made after a stop is exact, and clients ahead of it are told so', async () => {
  const [original, copy] = [folder(), folder()];
  const before = serveOver(original);
  const first = await client(before);
  const early = await first.session();
  await early.put({ n: 1 });
  await stop(before);
  cpSync(original, copy, { recursive: true });
  rmSync(join(copy, 'lock'));
  expect(await run(['inspect', copy])).toMatchObject({ code: 0 });

  // The original goes on as if nobody had looked.
  const between = serveOver(original);
  const port = await between.port();
  const connection = await connect({ port, reconnectMinMs: 1, reconnectMaxMs: 5 });
  onTestFinished(() => connection.close());
  const ahead = await connection.session({ id: early.id });
  await ahead.put({ n: 2 });
  await ahead.put({ n: 3 });
  const later = await connection.session();
  await later.put({ n: 1 });
  await stop(between);

  const restored = new Command([
    'serve',
    '--port',
    String(port),
    '--shards',
    '1',
    '--data-dir',
    copy,
  ]);
  await restored.port();
  const gap = await ahead.put({ n: 4 }, PATIENCE).catch((error) => error);
  expect(gap).toMatchObject({ code: 'request_gap' });
  const gone = await later.put({ n: 2 }, PATIENCE).catch((error) => error);
  expect([gone.code, gone.reason]).toEqual(['session_evicted', 'no_session']);
  const anew = await connection.session({ id: early.id });
  expect(await anew.get()).toMatchObject({ version: 1, data: { n: 1 } });
  await stop(restored);
});
