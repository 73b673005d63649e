/** `sessile list`, `inspect`, `remove`, `stat` and `top` as processes, against a real server. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type RunningServer, serve } from '../../dist/serve.js';
import { type Connection, connect } from '../../dist/transport/client/connection.js';
import { snakeCased } from '../../dist/transport/wire-names.js';
import { Command, run } from './command.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Of util-linux: runs a command in a pseudo terminal. */
const SCRIPT = '/usr/bin/script';
const ID = '0123456789abcdef0123456789abcdef';
const NOBODY = 'f'.repeat(32);

let server: RunningServer;
let port: string;
let connection: Connection;

beforeAll(async () => {
  server = await serve({ port: 0, shards: 0 });
  port = String(server.address.port);
  connection = await connect({ port: server.address.port });
});

beforeEach(async () => {
  for await (const { id } of connection.sessions()) await connection.remove(id);
});

afterAll(async () => {
  await connection.close();
  await server.stop();
});

/** Registers sessions whose ids begin with these digits. */
async function register(count: number, prefix: string): Promise<void> {
  for (let i = 1; i <= count; i++) {
    const id = prefix + String(i).padStart(32 - prefix.length, '0');
    const session = await connection.session({ id });
    await session.request('put', { number: i });
  }
}

describe('list', () => {
  test('shows the sessions page by page, and how to go on', async () => {
    await register(5, 'aa');
    const first = await run(['list', port, '--limit', '3']);
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out.match(/^aa0+\d /gm)).toHaveLength(3);
    expect(first.out.split('\n')[0]).toMatch(/^id +idle +age +expires +requests +data$/);
    const cursor = /3 shown; 5 of .* --cursor (\S+)/.exec(first.out)?.[1] as string;
    const rest = await run(['list', port, '--cursor', cursor]);
    expect(rest.out.match(/^aa0+\d /gm)).toHaveLength(2);
    expect(rest.out).toMatch(/2 shown; 5 of 100,000 sessions are live\n$/);
  });

  test('--all --json has each session once, a page on each line', async () => {
    await register(5, 'aa');
    await register(2, 'bb');
    const { code, out } = await run([
      'list',
      port,
      '--prefix',
      'aa',
      '--all',
      '--limit',
      '2',
      '--json',
    ]);
    expect(code).toBe(0);
    const pages = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(pages.length).toBeGreaterThanOrEqual(3);
    const sessions = pages.flatMap((page) => page.sessions);
    expect(new Set(sessions.map(({ id }) => id)).size).toBe(5);
    expect(sessions[0]).toMatchObject({ request: 1, data_bytes: 9, executing: false });
    expect(pages.at(-1).cursor).toBeNull();
  });

  test('takes filters, and refuses nonsense in one line', async () => {
    await register(1, 'aa');
    const none = await run(['list', port, '--idle-ms-min', '3600000']);
    expect(none).toMatchObject({ code: 0, out: expect.stringMatching(/^0 shown; 1 of/) });
    const wrong = await run(['list', port, '--prefix', 'xyz']);
    expect(wrong).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^sessile: --prefix.*\n$/),
    });
    // Nobody listens there: the command sees it by itself.
    expect(await run(['list', '1', '--limit', '10001'])).toMatchObject({
      code: 1,
      err: 'sessile: --limit is 10001; it must be a whole number from 1 to 10000\n',
    });
    const both = await run(['list', port, '--all', '--cursor', '0.1']);
    expect(both).toMatchObject({ code: 1, err: expect.stringContaining('--cursor') });
  });
});

describe('inspect and remove', () => {
  test('an id is a session, which inspect shows and remove ends', async () => {
    const session = await connection.session({
      id: ID,
      ttlMs: null,
      rate: { perSecond: 9, burst: 3 },
    });
    const shown = await run(['inspect', ID.toUpperCase(), port]);
    expect(shown).toMatchObject({ code: 0, err: '' });
    expect(shown.out).toMatch(new RegExp(`^${ID}\n +session +${session.session}\n`));
    expect(shown.out).toMatch(/expires +never\n.*\n.*\n +rate limit +9\/s, 3 at once\n/);
    const json = await run(['inspect', ID, port, '--json']);
    expect(JSON.parse(json.out)).toMatchObject({ id: ID, ttl_ms: null, session: session.session });

    const unasked = await run(['remove', ID, port]);
    expect(unasked).toMatchObject({ code: 1, out: '', err: expect.stringContaining('--yes') });
    const gone = new Promise((resolve) => session.on('state', (_, error) => resolve(error)));
    expect(await run(['remove', ID, port, '--yes'])).toMatchObject({
      code: 0,
      out: `removed ${ID}\n`,
    });
    expect(await gone).toMatchObject({ reason: 'removed' });
    const again = await run(['remove', ID, port, '--yes', '--json']);
    expect({ code: again.code, out: JSON.parse(again.out) }).toEqual({
      code: 2,
      out: { id: ID, removed: false },
    });
  });

  test('nobody of that id is exit code 2', async () => {
    const text = await run(['inspect', NOBODY, port]);
    expect(text).toMatchObject({ code: 2, out: '' });
    expect(text.err).toBe(`sessile: no session of ${NOBODY} is live\n`);
    expect(await run(['inspect', NOBODY, port, '--json'])).toMatchObject({
      code: 2,
      out: 'null\n',
    });
  });

  test('an id with ./ before it is a folder, and a folder has no address', async () => {
    const folder = await run(['inspect', `./${NOBODY}`]);
    expect(folder).toMatchObject({ code: 1, err: expect.stringContaining('there is no folder') });
    const both = await run(['inspect', '.', port]);
    expect(both).toMatchObject({ code: 1, err: expect.stringContaining('folder') });
    expect(await run(['remove', 'abc', port])).toMatchObject({ code: 1, out: '' });
  });
});

test('inspect says of what is neither an id nor a folder how both look', async () => {
  const cases: [string, RegExp][] = [
    ['0123456789abcdef', / is no client id.* 32 hexadecimal digits \(here: 16\).*\.\/data\n$/],
    ['01234567-89ab-cdef-0123-456789abcdef', / is no client id.* 32 hexadecimal digits without d/],
    ['nowhere', /^sessile: nowhere is no client id, and there is no folder of that name/],
    ['no/where', /^sessile: there is no folder no\/where: .*\.\/data; a client id is 32 hex/],
  ];
  // With an address, which is no mistake where an id was meant.
  const ends = await Promise.all(cases.map(([what]) => run(['inspect', what, port])));
  for (const [index, { code, out, err }] of ends.entries()) {
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(cases[index][1]);
    expect(err.trimEnd()).not.toContain('\n');
  }
});

describe('stat and top', () => {
  test('stat prints a line for each look, or an object', async () => {
    const text = await run(['stat', port, '-i', '0.1', '-n', '2']);
    expect(text).toMatchObject({ code: 0, err: '' });
    expect(text.out).toMatch(/^ +time +sess .*\n\d\d:\d\d:\d\d .*\n\d\d:\d\d:\d\d .*\n$/);
    const json = await run(['stat', port, '-i', '0.1', '-n', '2', '--json']);
    const looks = json.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(looks).toHaveLength(2);
    expect(looks[1]).toMatchObject({ sessions: 0, sessions_max: 100_000, evictions_per_s: 0 });
    expect(looks[1].time_ms).toBeGreaterThan(looks[0].time_ms);
    // The counts since the start, under the names that they have in the status.
    const { totals } = await connection.status();
    expect(looks[1].totals).toEqual(snakeCased(totals));
  });

  test('top without a terminal prints its screen as text, or the whole status', async () => {
    const text = await run(['top', port, '-i', '0.1', '-n', '1'], { TERM: 'xterm' });
    expect(text).toMatchObject({ code: 0, err: '' });
    expect(text.out).toContain(`sessile 0.1.0  127.0.0.1:${port}`);
    expect(text.out).not.toContain('\u001b');
    const json = await run(['top', port, '-i', '0.1', '-n', '1', '--json']);
    const status = JSON.parse(json.out);
    expect(status).toMatchObject({
      sessions: 0,
      pid: process.pid,
      front_end: { connections_max: 10_000 },
    });
    expect(status.shards[0]).toHaveProperty('ring_bytes');
  });

  test.each(['stat', 'top'])('%s ends with 0 when interrupted', async (name) => {
    const watching = new Command([name, port, '-i', '0.1']);
    await new Promise((resolve) => watching.child.stdout?.once('data', resolve));
    watching.kill('SIGINT');
    expect(await watching.ended).toMatchObject({ code: 0, signal: null, err: '' });
  });

  test('both end with 2 when the server goes away', async () => {
    const other = await serve({ port: 0, shards: 0 });
    const watching = ['stat', 'top'].map(
      (name) => new Command([name, String(other.address.port), '-i', '0.1']),
    );
    for (const { child } of watching) {
      await new Promise((resolve) => child.stdout?.once('data', resolve));
    }
    await other.stop();
    for (const { ended } of watching) {
      const { code, err } = await ended;
      expect(code).toBe(2);
      expect(err).toMatch(/^sessile: the server went away.*\n$/);
    }
  });

  test('both end with 1 when nobody is there', async () => {
    for (const { code, out, err } of await Promise.all([run(['stat', '1']), run(['top', '1'])])) {
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(err).toMatch(/^sessile: .*ECONNREFUSED.*\n$/);
    }
  });

  test.runIf(existsSync(SCRIPT))(
    'top on a terminal ends at q and leaves it as it was',
    async () => {
      const top = `${process.execPath} ${MAIN} top ${port} -i 0.1`;
      const env = { PATH: process.env.PATH, TERM: 'xterm', NO_COLOR: '1' };
      const command = `stty cols 80 rows 24; ${top}; stty -a`;
      const child = spawn(SCRIPT, ['-qefc', command, '/dev/null'], { env });
      onTestFinished(() => {
        child.kill('SIGKILL');
      });
      let seen = '';
      let isAsked = false;
      for await (const part of child.stdout) {
        seen += part;
        if (!isAsked && seen.includes('q quits')) isAsked = child.stdin.write('q');
      }
      const [screen, after] = seen.split('\u001b[?1049l');
      expect(screen).toContain('\u001b[?1049h');
      expect(screen).toMatch(/sessions .* 0 of 100,000/);
      expect(screen).not.toContain('\u001b[1m');
      // The terminal echoes and cooks its lines again.
      expect(after).toMatch(/ echo /);
      expect(after).toMatch(/(?<!-)icanon/);
    },
  );
});
