/** What ships beside the code: the image and the service name only what the command has. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { serveCommand } from '../../src/cli/serve.ts';
import { SHARDS_MAX } from '../../src/core/limits.ts';
import { descriptorsNeeded } from '../../src/operating/descriptors.ts';
import { CONNECTIONS_MAX } from '../../src/transport/limits.ts';
import { STOP_TIMEOUT_MS } from '../../src/workers/limits.ts';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path: string): string => readFileSync(root(path), 'utf8');
const withoutComments = (text: string): string => text.replaceAll(/^\s*#.*$/gm, '');

const dockerfile = withoutComments(read('Dockerfile'));
const unit = withoutComments(read('packaging/sessile.service'));

/** The values of a setting of the unit. */
const settings = (name: string): string[] =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map((match) => match[1]);

test('what a build makes can be run as a command', () => {
  const { status, stdout } = spawnSync(root('dist/cli/main.js'), ['--version'], {
    encoding: 'utf8',
  });
  expect([status, stdout]).toEqual([0, `${JSON.parse(read('package.json')).version}\n`]);
});

test('every option and variable of image and service is one of the command', () => {
  const help = serveCommand().helpInformation();
  const words = help.split(/[\s,()]+/);
  const [start] = settings('ExecStart');
  const command = /sessile (serve .*)$/.exec(start)?.[1] ?? '';
  expect(command).toMatch(/^serve /);
  const options = command.match(/--[\w-]+/g) ?? [];
  expect(options.length).toBeGreaterThan(0);
  const all = read('Dockerfile') + read('packaging/sessile.service');
  const variables = [...new Set(all.match(/SESSILE_\w+/g))];
  expect(variables.length).toBeGreaterThan(2);
  for (const name of [...options, ...variables]) expect(words, name).toContain(name);
});

describe('the image', () => {
  test('is built from what the build context has', () => {
    const ignored = withoutComments(read('.dockerignore'))
      .split('\n')
      .filter((line) => line !== '');
    expect(ignored[0]).toBe('*');
    const kept = ignored.slice(1).map((line) => line.replace(/^!/, ''));
    for (const name of kept)
      if (!name.includes('*')) expect(existsSync(root(name)), name).toBe(true);
    const [, sources] = /^COPY (package.json .*) \.\/$/m.exec(dockerfile) ?? [];
    for (const name of sources.split(' ')) expect(kept, name).toContain(name);
    // Nothing that a checkout may hold beside the code.
    for (const name of ['node_modules', 'dist', 'test', '.git']) expect(kept).not.toContain(name);
  });

  test('runs the command that the package has, as a user of its own, over a volume', () => {
    const { bin } = JSON.parse(read('package.json'));
    expect(dockerfile).toContain(`ENTRYPOINT ["node", "/app/${bin.sessile}"]`);
    const last = dockerfile.slice(dockerfile.lastIndexOf('FROM '));
    expect(last.indexOf('USER node')).toBeGreaterThan(last.indexOf('install -d -o node'));
    expect(last).toContain('VOLUME /var/lib/sessile');
    expect(last).toContain('SESSILE_DATA_DIR=/var/lib/sessile');
    expect(last).toContain('STOPSIGNAL SIGTERM');
  });

  const cert = root('test/security/certificates/server.pem');
  const pair = { cert: read('test/security/certificates/server.pem') };
  const tls = { ...pair, key: read('test/security/certificates/server.key') };
  const open = { SESSILE_OPERATOR_HOST: '0.0.0.0' };
  test.each([
    ['loopback', undefined, { SESSILE_TLS_CERT: cert }],
    ['trusted networks', undefined, open],
    ['others, over TLS', tls, { ...open, SESSILE_TLS_CERT: cert }],
  ])('is healthy when the operator port says so, for %s', async (_, secure, env) => {
    const script = JSON.parse(/^HEALTHCHECK [\s\S]*?CMD (\[.*\])$/m.exec(dockerfile)![1])[2];
    let status = 200;
    const answer: RequestListener = ({ url }, response) => {
      response.writeHead(url === '/healthz' ? status : 404).end();
    };
    const server = secure === undefined ? createServer(answer) : createHttps(secure, answer);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const check = (): Promise<number | null> => {
      const args = ['-e', script.replace('7378', String(port))];
      const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH, ...env } });
      return new Promise((resolve) => child.once('exit', resolve));
    };
    expect(await check()).toBe(0);
    status = 503;
    expect(await check()).toBe(1);
    await new Promise((resolve) => server.close(resolve));
    expect(await check()).toBe(1);
  });
});

describe('the service', () => {
  test('lets the server have what its limits need, and time to stop', () => {
    const [descriptors] = settings('LimitNOFILE').map(Number);
    expect(descriptors).toBeGreaterThanOrEqual(descriptorsNeeded(CONNECTIONS_MAX, SHARDS_MAX));
    // Two waits of this length, one after the other, and some to write what is left.
    const [stop] = settings('TimeoutStopSec').map(Number);
    expect(stop * 1000).toBeGreaterThan(2 * STOP_TIMEOUT_MS);
    expect(settings('ExecReload')[0]).toContain('kill -HUP $MAINPID');
    expect(settings('Restart')).toEqual(['on-failure']);
  });

  test('is hardened, but for what V8 cannot live with', () => {
    for (const name of ['NoNewPrivileges', 'DynamicUser', 'ProtectHome', 'PrivateTmp']) {
      expect(settings(name), name).toEqual(['yes']);
    }
    expect(settings('ProtectSystem')).toEqual(['strict']);
    expect(settings('MemoryDenyWriteExecute')).toEqual(['no']);
    expect(settings('StateDirectoryMode')).toEqual(['0700']);
  });

  const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;
  test.skipIf(!hasAnalyze)('is a unit that systemd finds nothing wrong with (systemd)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sessile-unit-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const verify = (text: string): string => {
      writeFileSync(join(folder, 'sessile.service'), text);
      const args = ['verify', '--man=no', join(folder, 'sessile.service')];
      const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
      return `${status} ${stdout}${stderr}`;
    };
    expect(verify(read('packaging/sessile.service'))).toBe('0 ');
    expect(verify(unit.replace('ProtectHome=', 'ProtectHomes='))).toContain('ProtectHomes');
  });
});
