/** `sessile serve --data-dir`: sessions outlive the process, and what is wrong is said clearly. */
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { serveCommand } from '../../dist/cli/serve.js';
import { connect } from '../../dist/transport/client/connection.js';
import { Command, refused, run } from './command.ts';

/** Without a log, which would tell the end of the process what it has not written. */
const QUIET = ['--port', '0', '--log-format', 'off'];

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sessile-cli-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function serve(args: string[] = [], env: NodeJS.ProcessEnv = {}): Command {
  return new Command(['serve', '--port', '0', '--shards', '1', ...args], env);
}

async function client(command: Command) {
  const connection = await connect({ port: await command.port() });
  onTestFinished(() => connection.close());
  return connection;
}

async function end(command: Command, signal: NodeJS.Signals = 'SIGTERM') {
  command.kill(signal);
  return command.ended;
}

/** What the session with `id` answers, and that it is the one it was. */
async function expectThere(command: Command, id: string, session: number, data: object) {
  const connection = await client(command);
  expect(await connection.inspect(id)).toMatchObject({ session });
  const resumed = await connection.session({ id });
  expect(resumed).toMatchObject({ resumed: true, session });
  expect((await resumed.get()).data).toEqual(data);
  return resumed;
}

describe('serve --data-dir', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'brings a session and its data back after %s, and says so',
    async (signal) => {
      const args = ['--data-dir', folder()];
      const first = serve(args);
      const connection = await client(first);
      const session = await connection.session();
      await session.put({ cart: ['book'] });
      expect(await session.increment('visits')).toBe(1);
      const ended = await end(first, signal);
      expect(ended.err).toBe('');
      expect(ended.out.split('\n')[1]).toMatch(
        new RegExp(`^sessions are kept in ${args[1]}: 0 recovered from 0 bytes in \\d+ ms$`),
      );
      if (signal === 'SIGTERM') expect(ended.code).toBe(0);
      const second = serve(args);
      const data = { cart: ['book'], visits: 1 };
      const resumed = await expectThere(second, session.id, session.session, data);
      expect(resumed.lastRequest).toBe(3);
      const { out, code } = await end(second);
      expect(code).toBe(0);
      expect(out.split('\n')[1]).toMatch(/: 1 recovered from [1-9]\d* bytes in \d+ ms$/);
    },
  );

  test('says how many were evicted when fewer sessions are allowed than before', async () => {
    const args = ['--data-dir', folder(), '--sessions-max'];
    const first = serve([...args, '3']);
    const connection = await client(first);
    const sessions = [];
    for (let n = 0; n < 3; n++) sessions.push(await connection.session());
    await end(first, 'SIGKILL');
    const second = serve([...args, '2']);
    const next = await client(second);
    const found = await Promise.all(sessions.map(({ id }) => next.inspect(id)));
    expect(found.map((entry) => entry !== null)).toEqual([false, true, true]);
    expect((await end(second)).out).toContain('1 sessions were evicted: fewer are allowed');
  });

  test('is taken from SESSILE_DATA_DIR, with SESSILE_DURABILITY', async () => {
    const path = folder();
    for (const durability of ['commit', 'interval:50', 'off']) {
      const env = { SESSILE_DATA_DIR: path, SESSILE_DURABILITY: durability };
      const command = serve([], env);
      const session = await (await client(command)).session({ id: 'ab'.repeat(16) });
      await session.increment('n');
      const { out, code } = await end(command);
      expect(code).toBe(0);
      expect(out).toContain(`sessions are kept in ${path}: `);
    }
    const last = serve(['--data-dir', path]);
    const session = await (await client(last)).session({ id: 'ab'.repeat(16) });
    expect((await session.get()).data).toEqual({ n: 3 });
  });

  test('is refused to a second process, while the first one goes on', async () => {
    const args = ['--data-dir', folder()];
    const first = serve(args);
    const session = await (await client(first)).session();
    const second = await run(['serve', '--port', '0', '--shards', '1', ...args]);
    expect(second).toMatchObject({ code: 1, out: '' });
    expect(second.err).toBe(`sessile: another process uses ${args[1]}: stop it first\n`);
    expect(await session.put({ n: 1 })).toBe(1);
    expect(await end(first)).toMatchObject({ code: 0, err: '' });
    const third = serve(args);
    await expectThere(third, session.id, session.session, { n: 1 });
  });

  test('that is a file is refused', async () => {
    const path = join(folder(), 'file');
    writeFileSync(path, 'not a folder');
    const { code, out, err } = await run(['serve', '--port', '0', '--data-dir', path]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^sessile: .*(EEXIST|ENOTDIR).*\n$/);
    expect(err).toContain(path);
  });

  // The superuser may write anywhere.
  test.skipIf(process.getuid?.() === 0)('that cannot be written to is refused', async () => {
    const path = folder();
    chmodSync(path, 0o500);
    const { code, err } = await run(['serve', '--port', '0', '--data-dir', path]);
    expect(code).toBe(1);
    expect(err).toMatch(/^sessile: .*EACCES.*\n$/);
  });

  test.each([
    [['--durability', 'sometimes'], 'commit, off, or interval:MS'],
    [['--durability', 'interval:x'], 'commit, off, or interval:MS'],
    [['--durability', 'interval:0'], '--durability (intervalMs) is 0'],
    [['--segment-bytes-max', '1'], '--segment-bytes-max is 1; it must be'],
    [['--segment-bytes-max', 'x'], 'segment-bytes-max'],
  ])('with %j is refused', async (args, what) => {
    const dir = folder();
    const wrong = await refused(serveCommand(), [...QUIET, '--data-dir', dir, ...args]);
    expect(wrong.out).toBe('');
    expect(wrong.err).toContain(what);
    expect(wrong.err).not.toContain('    at ');
    expect(readdirSync(dir)).toEqual([]);
  });

  test('is asked for when there is --durability', async () => {
    const wrong = await run(['serve', '--port', '0', '--durability', 'off']);
    expect(wrong).toMatchObject({ code: 1, out: '' });
    expect(wrong.err).toMatch(/^sessile: --durability is .*--data-dir/);
    expect(wrong.err).not.toContain('    at ');
  });
});
