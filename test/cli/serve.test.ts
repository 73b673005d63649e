/** The `sessile` command, as a shell or a service manager runs it. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { pingCommand } from '../../dist/cli/ping.js';
import { serveCommand as sessileServe } from '../../dist/cli/serve.js';
import { connect } from '../../dist/transport/client/connection.js';
import { Command, refused, run } from './command.ts';

const ACCOUNT = fileURLToPath(new URL('../../examples/account.js', import.meta.url));
const SLOW = fileURLToPath(new URL('./slow.mjs', import.meta.url));

/** Without a log, which would tell the end of the process what it has not written. */
const QUIET = ['--port', '0', '--log-format', 'off'];

async function client(port: number) {
  const connection = await connect({ port });
  onTestFinished(() => connection.close());
  return connection;
}

function serveCommand(args: string[] = [], env: NodeJS.ProcessEnv = {}): Command {
  return new Command(['serve', '--port', '0', '--shards', '1', ...args], env);
}

/** An option's name as a person gives it, or as the engine does. */
function nameOf(option: string): RegExp {
  const camel = option.slice(2).replaceAll(/-(\w)/g, (_, letter) => letter.toUpperCase());
  return new RegExp(`${option}|${camel}`);
}

describe('sessile serve', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'ends with 0 at %s while clients are idle',
    async (signal) => {
      const command = serveCommand();
      const port = await command.port();
      const connection = await client(port);
      const session = await connection.session();
      await session.request('put', { n: 1 });
      command.kill(signal);
      const ended = await command.ended;
      expect(ended).toMatchObject({ code: 0, signal: null, err: '' });
      expect(ended.out.split('\n')[0]).toBe(`listening on 127.0.0.1:${port}`);
    },
  );

  test('says where operators find it, unless that is switched off', async () => {
    const off = serveCommand(['--operator-port', 'off']);
    const on = serveCommand();
    await Promise.all([off.port(), on.port()]);
    const line = await on.line(/^operator console on /);
    const url = /^operator console on (http:\/\/127\.0\.0\.1:\d+\/)$/.exec(line)![1];
    expect(await (await fetch(`${url}readyz`)).json()).toEqual({ ready: true });
    off.kill('SIGTERM');
    on.kill('SIGTERM');
    expect((await on.ended).code).toBe(0);
    expect((await off.ended).out).not.toContain('operator');
  });

  test.each(['0', '1'])('with %s shards lets a request in execution finish', async (shards) => {
    const command = serveCommand(['--shards', shards, '--service', SLOW]);
    const connection = await client(await command.port());
    const session = await connection.session();
    const reply = session.request('slow');
    await once(command.child.stderr!, 'data');
    command.kill('SIGTERM');
    expect(await reply).toBe('done');
    expect(await command.ended).toMatchObject({ code: 0, signal: null, err: 'executing\n' });
  });

  test('ends at once, with 1, at a second signal', async () => {
    const command = serveCommand(['--service', SLOW]);
    const connection = await client(await command.port());
    const session = await connection.session();
    session.request('never').catch(() => {});
    await connection.ping();
    command.kill('SIGTERM');
    // Told to stop, it takes no more connections.
    while (
      (await connect({ port: await command.port() }).then(
        (c) => c.close(),
        () => true,
      )) !== true
    );
    command.kill('SIGINT');
    expect(await command.ended).toMatchObject({ code: 1, signal: null });
  });

  test('heeds a signal that comes right after it said that it listens', async () => {
    const hook = `
      const write = process.stdout.write;
      process.stdout.write = function (text, ...rest) {
        const result = write.call(this, text, ...rest);
        if (String(text).startsWith('listening')) process.kill(process.pid, 'SIGTERM');
        return result;
      };`;
    const preload = `--import=data:text/javascript,${encodeURIComponent(hook)}`;
    const ended = await serveCommand([], { NODE_OPTIONS: preload }).ended;
    expect(ended).toMatchObject({ code: 0, signal: null });
  });

  test.each([
    ['--shards', 'many'],
    ['--shards', '1000'],
    ['--service', './missing.js'],
    ['--colour', 'blue'],
  ])('refuses %s %s in one line that names it', async (option, value) => {
    const { code, out, err } = await run(['serve', '--port', '0', option, value]);
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(nameOf(option));
    expect(err).not.toContain('    at ');
    expect(err.trimEnd()).not.toContain('\n');
  });

  // As many as there are need no process each: this is the command that those above have run.
  test.each([
    ['--shards', '-1'],
    ['--port', '70000'],
    ['--port', 'x'],
    ['--sessions-max', '0'],
    ['--on-full', 'perhaps'],
    ['--ttl-ms', 'soon'],
    ['--ttl-ms', '0'],
    ['--run', 'anywhere'],
    ['--data-bytes-max', '1'],
    ['--reply-bytes-max', '99999999'],
    ['--frame-bytes-max', '10'],
    ['--connections-max', '0'],
    ['--execute-timeout-ms', '0'],
  ])('refuses %s %s, and names it', async (option, value) => {
    const { out, err } = await refused(sessileServe(), [...QUIET, option, value]);
    expect(out).toBe('');
    expect(err).toMatch(nameOf(option));
    expect(err).not.toContain('    at ');
    expect(err.trimEnd()).not.toContain('\n');
  });

  test('says that it cannot listen when its port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { code, out, err } = await run(['serve', '--port', String(port), '--shards', '1']);
    other.close();
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toContain(`cannot listen on 127.0.0.1:${port}`);
  });

  test('takes SESSILE_ variables, and the command line before them', async () => {
    const env = {
      SESSILE_SESSIONS_MAX: '7',
      SESSILE_DATA_BYTES_MAX: '128',
      SESSILE_TTL_MS: 'never',
      SESSILE_SERVICE: ACCOUNT,
    };
    const command = serveCommand(['--data-bytes-max', '256'], env);
    const connection = await client(await command.port());
    const { limits, operations } = connection.welcome;
    expect(limits).toMatchObject({ sessionsMax: 7, dataBytesMax: 256 });
    expect([...operations.keys()]).toContain('deposit');
    expect((await connection.session()).ttlMs).toBeNull();
    const wrong = await run(['serve', '--port', '0'], { SESSILE_SHARDS: 'x' });
    expect(wrong).toMatchObject({ code: 1, err: expect.stringMatching(/shards/i) });
  });

  test("serves a service of one's own", async () => {
    const command = serveCommand(['--service', ACCOUNT]);
    const connection = await client(await command.port());
    const session = await connection.session();
    expect(await session.request('deposit', 100)).toEqual({ balance: 100 });
    await expect(session.request('withdraw', 500)).rejects.toMatchObject({ status: 'failed' });
    expect(await session.request('withdraw', 30)).toEqual({ balance: 70 });
    expect(await connection.call(session.id, 'balance')).toEqual({ balance: 70 });
    await expect(session.request('deposit', -1)).rejects.toMatchObject({ status: 'invalid_body' });
  });

  test('refuses a register when full if told so, and keeps sessions for ever', async () => {
    const args = ['--on-full', 'reject', '--sessions-max', '1', '--ttl-ms', 'never'];
    const command = serveCommand(args);
    const connection = await client(await command.port());
    const session = await connection.session();
    expect(session.ttlMs).toBeNull();
    const second = connection.session({ timeoutMs: 500 });
    await expect(second).rejects.toMatchObject({ code: 'sessions_exhausted' });
    expect(await session.request('put', {})).toBe(1);
  });

  test('tells its options and their defaults', async () => {
    const { code, out } = await run(['serve', '--help']);
    expect(code).toBe(0);
    for (const text of ['7377', '127.0.0.1', '100000', '"evict"', '3600000', '1024', '2048']) {
      expect(out).toContain(text);
    }
    expect(out).toContain('SESSILE_SESSIONS_MAX');
  });
});

describe('sessile', () => {
  test('ping measures a server, and fails when nobody answers or it is told nonsense', async () => {
    const command = serveCommand();
    const port = String(await command.port());
    const pinged = await run(['ping', '--port', port, '--count', '2']);
    expect(pinged).toMatchObject({ code: 0, err: '' });
    expect(pinged.out.match(/pong in/g)).toHaveLength(2);
    const nonsense = await run(['ping', '--port', port, '--count', 'x']);
    expect(nonsense).toMatchObject({ code: 1, err: expect.stringContaining('count') });
    for (const count of ['-1', '1.5']) {
      const wrong = await refused(pingCommand(), ['--port', port, '--count', count]);
      expect(wrong.err, count).toContain('count');
    }
    command.kill('SIGTERM');
    await command.ended;
    const failed = await run(['ping', '--port', port]);
    expect(failed.code).toBe(1);
    expect(failed.err).toMatch(/^sessile: .+\n$/);
  });

  test.each(['0', '1'])('demo of %s seconds shows what it promises', async (seconds) => {
    const { code, out, err } = await run(['demo', '--seconds', seconds]);
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).toContain('paid once');
    expect(out).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('without a command, or with one that it has not, ends with 1', async () => {
    expect(await run([])).toMatchObject({ code: 1 });
    expect(await run(['sing'])).toMatchObject({ code: 1, err: expect.stringContaining('sing') });
    expect(await run(['--version'])).toMatchObject({ code: 0, out: expect.stringMatching(/^\d/) });
  });
});
