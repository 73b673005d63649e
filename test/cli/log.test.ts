/** What `sessile serve` writes on standard error while it lives. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../dist/transport/client/connection.js';
import { Command } from './command.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sessile-log-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Without the variable that keeps other tests quiet. */
function serveCommand(args: readonly string[] = [], before = ''): Command {
  const command = ['serve', '--port', '0', '--shards', '1', ...args];
  return new Command(command, { SESSILE_LOG_FORMAT: undefined }, before);
}

const events = (err: string): Record<string, unknown>[] =>
  err
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

test('it is a JSON object a line, from start to stop, and standard output is as ever', async () => {
  const dataDir = folder();
  const command = serveCommand(['--data-dir', dataDir]);
  const port = await command.port();
  const connection = await connect({ port });
  const session = await connection.session();
  await session.put({ secret: 'nobody logs this' });
  const reloaded = command.told('configuration_reloaded');
  command.kill('SIGHUP');
  await reloaded;
  // A hang-up ends nothing.
  expect((await session.get()).version).toBe(1);
  await connection.close();
  command.kill('SIGTERM');
  const { code, out, err } = await command.ended;
  expect(code).toBe(0);
  expect(out).toMatch(/^listening on 127\.0\.0\.1:\d+\nsessions are kept in .+\noperator .+\n$/);
  const lines = events(err);
  const names = ['starting', 'recovered', 'listening', 'configuration_reloaded', 'stopping'];
  expect(lines.map(({ event }) => event)).toEqual([...names, 'stopped']);
  expect(lines[0]).toMatchObject({ level: 'info', pid: command.child.pid, data_dir: dataDir });
  expect(lines[2]).toMatchObject({ host: '127.0.0.1', port });
  expect(lines[5]).toMatchObject({ registered: 1, requests: 2, sessions: 1 });
  expect(err).not.toContain('nobody logs this');
});

test('it is text when told so, and less with a level', async () => {
  const command = serveCommand([
    '--log-format',
    'text',
    '--log-level',
    'warn',
    '--connections-max',
    '1',
  ]);
  const port = await command.port();
  const first = await connect({ port });
  const refused = command.told('connection_refused');
  await expect(connect({ port, connectTimeoutMs: 1 })).rejects.toMatchObject({
    name: expect.any(String),
  });
  await refused;
  await first.close();
  command.kill('SIGTERM');
  const { err } = await command.ended;
  expect(err).toMatch(/^\S+Z WARN {2}connection_refused code=server_busy address=127\.0\.0\.1\n/);
  expect(err).not.toContain('listening');
});

test('a log that cannot be written any more is told before the end', async () => {
  const dataDir = folder();
  const command = serveCommand(['--data-dir', dataDir], 'ulimit -f 32');
  const connection = await connect({ port: await command.port() });
  const session = await connection.session();
  const over = command.ended.then(() => false);
  const pad = 'x'.repeat(900);
  for (let goesOn = true; goesOn; ) {
    const put = session.put({ pad }, { timeoutMs: 20_000 }).then(
      () => true,
      () => false,
    );
    goesOn = await Promise.race([put, over]);
  }
  await connection.close();
  const { code, err } = await command.ended;
  expect(code).toBe(70);
  const failed = events(err).filter(({ event }) => event === 'storage_failed');
  expect(failed).toMatchObject([{ level: 'error', message: expect.stringContaining('EFBIG') }]);
  expect(events(err).at(-1)).toMatchObject({ event: 'stopped' });
});

test('a reader of the log that has gone away stops nothing', async () => {
  const command = serveCommand();
  command.child.stderr!.destroy();
  const connection = await connect({ port: await command.port() });
  for (let i = 0; i < 3; i++) command.kill('SIGHUP');
  const session = await connection.session();
  expect(await session.put({})).toBe(1);
  await connection.close();
  command.kill('SIGTERM');
  expect(await command.ended).toMatchObject({ code: 0, signal: null });
});

test('a reader of standard output that has gone away stops nothing', async () => {
  const command = serveCommand();
  let told = '';
  command.child.stderr!.on('data', (chunk) => {
    told += chunk;
  });
  command.child.stdout!.destroy();
  await command.told('"operator_port"');
  const port = Number(/"port":(\d+),"operator_port"/.exec(told)?.[1]);
  const connection = await connect({ port });
  await connection.ping();
  await connection.close();
  command.kill('SIGTERM');
  const { code, err } = await command.ended;
  expect(code).toBe(0);
  expect(events(err).at(-1)).toMatchObject({ event: 'stopped' });
});

/** What a shell does so that nothing can be written to standard error. */
const UNWRITABLE = [
  ['on a full device', () => 'exec 2>/dev/full'],
  [
    'to a full pipe that nobody reads',
    () => {
      const pipe = join(folder(), 'pipe');
      // The shell's own end of it stays open in the server.
      const fill = `head -c 2M /dev/zero | dd of=${pipe} bs=4096 oflag=nonblock 2>/dev/null`;
      return `mkfifo ${pipe}; exec 3<>${pipe}; ${fill}; exec 2>${pipe}`;
    },
  ],
] as const;

test.skipIf(!existsSync('/dev/full')).each(UNWRITABLE)(
  'a log %s stops neither the server nor its end',
  async (_, before) => {
    const command = serveCommand([], before());
    const connection = await connect({ port: await command.port() });
    await connection.ping();
    await connection.close();
    command.kill('SIGTERM');
    expect(await command.ended).toMatchObject({ code: 0, signal: null, err: '' });
  },
);
