/** TLS on the port of clients: both sides, certificates of both, reloads, and who speaks none. */
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunningServer, ServeOptions } from '../../dist/serve.js';
import { type Connection, connect } from '../../dist/transport/client/connection.js';
import type { ConnectOptions } from '../../dist/transport/client/options.js';
import { errorOf } from '../client/peer.ts';
import {
  ECHO,
  ERROR,
  frame,
  HELLO,
  idOf,
  RawClient,
  REPLY,
  REQUEST,
} from '../transport/raw-client.ts';
import { temporaryFolder } from './files.ts';
import { BILLING, LIST, start, turnedAway } from './setup.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`./certificates/${name}`, import.meta.url));
const pem = (name: string): Buffer => readFileSync(fixture(name));

const CERTIFICATE = { tlsCert: fixture('server.pem'), tlsKey: fixture('server.key') };
const MUTUAL = { ...CERTIFICATE, tlsClientCa: fixture('ca.pem') };
const CA = { ca: pem('ca.pem') };
const CLIENT = { ...CA, cert: pem('client.pem'), key: pem('client.key') };

/** A server that remembers what it said. */
async function startNoticed(options: ServeOptions = {}): Promise<[RunningServer, string[]]> {
  const notices: string[] = [];
  const server = await start({ onNotice: (text) => notices.push(text), ...options });
  return [server, notices];
}

async function connected(server: RunningServer, options: ConnectOptions): Promise<Connection> {
  const { port } = server.address;
  const connection = await connect({ port, host: 'localhost', reconnectMinMs: 1, ...options });
  onTestFinished(() => connection.close());
  return connection;
}

const failed = (server: RunningServer, options: ConnectOptions) =>
  errorOf(connect({ port: server.address.port, host: 'localhost', ...options }));

/** What a client without a certificate takes from a connection that ends with a refusal. */
async function refusedWith(
  server: RunningServer,
  version: 'TLSv1.2' | 'TLSv1.3',
  session?: Buffer,
): Promise<{ session: Buffer | undefined; isReused: boolean }> {
  const { port } = server.address;
  const only = { minVersion: version, maxVersion: version };
  const socket = connectTls({ port, host: 'localhost', ...CA, ...only, session });
  let latest: Buffer | undefined;
  socket.on('session', (taken: Buffer) => {
    latest = taken;
  });
  await once(socket, 'secureConnect');
  const isReused = socket.isSessionReused();
  socket.write(frame(HELLO, 1, {}));
  const closed = once(socket, 'close');
  const [answer] = await once(socket, 'data');
  if (!String(answer).includes('unauthorized')) socket.destroy();
  await closed;
  expect(String(answer)).toContain('unauthorized');
  return { session: latest, isReused };
}

/** The common name of the certificate's issuer that new connections are shown. */
async function issuerOf(server: RunningServer): Promise<string> {
  const { port } = server.address;
  const socket: TLSSocket = connectTls({ port, host: 'localhost', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { issuer } = socket.getPeerCertificate();
  socket.destroy();
  return String(issuer.CN);
}

describe('a server with a certificate', () => {
  test.each(['direct', 'worker'] as const)('serves requests of any size, run %s', async (run) => {
    const [server, notices] = await startNoticed({
      ...CERTIFICATE,
      shards: 1,
      run,
      replyBytesMax: 60_000,
    });
    const connection = await connected(server, { tls: CA });
    const sessions = await Promise.all(Array.from({ length: 20 }, () => connection.session()));
    const bodies = ['', 'x', 'y'.repeat(1000), 'z'.repeat(59_000)];
    for (const body of bodies) {
      const echoed = await Promise.all(sessions.map((session) => session.request('echo', body)));
      expect(echoed.every((each) => each === body)).toBe(true);
    }
    expect(await connection.ping()).toBeGreaterThan(0);
    expect(notices).toEqual([]);
    expect([server.accepted, server.refused, server.connections]).toEqual([1, 0, 1]);
  });

  test('keeps a client waiting that does not read, and sends all in the end', async () => {
    const server = await start({ ...CERTIFICATE, replyBytesMax: 60_000 });
    const { port } = server.address;
    const socket = connectTls({ port, host: 'localhost', ...CA });
    await once(socket, 'secureConnect');
    socket.write(frame(HELLO, 1, {}));
    const nonce = Buffer.alloc(50_000, 7);
    const pings = 100;
    for (let i = 0; i < pings; i++) socket.write(frame(4, nonce));
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    const whole = pings * (5 + 2 + 3 + nonce.length);
    while (bytes < whole) await once(socket, 'data');
    socket.destroy();
  });

  test('is not trusted for its own word, nor under another name', async () => {
    const server = await start(CERTIFICATE);
    for (const tls of [true, { ca: pem('other-ca.pem') }, { ...CA, servername: 'else.example' }]) {
      const error = await failed(server, { tls });
      expect(error).toMatchObject({ name: 'TlsError', code: 'tls_failed' });
      expect(error.message).toContain('give the certificate of its authority');
    }
    expect(server.connections).toBe(0);
  });

  test('speaks nothing older than TLS 1.2', async () => {
    const server = await start(CERTIFICATE);
    const { port } = server.address;
    const ciphers = 'DEFAULT@SECLEVEL=0';
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers } as const;
    const socket = connectTls({ port, host: 'localhost', ...CA, ...old });
    const [error] = await once(socket, 'error');
    expect((error as NodeJS.ErrnoException).code).toMatch(/ALERT_PROTOCOL_VERSION|UNSUPPORTED/);
    await connected(server, { tls: CA });
  });

  test('asks for tokens as well, if there are some', async () => {
    const tokens = join(temporaryFolder(), 'tokens');
    writeFileSync(tokens, LIST);
    const server = await start({ ...CERTIFICATE, tokens });
    expect(await failed(server, { tls: CA })).toMatchObject({ code: 'unauthorized' });
    const connection = await connected(server, { tls: CA, token: BILLING });
    await connection.session();
  });
});

describe('a certificate of the client', () => {
  test('is asked for where there is an authority for it', async () => {
    const [server, notices] = await startNoticed(MUTUAL);
    const connection = await connected(server, { tls: CLIENT });
    expect(await (await connection.session()).request('echo', 1)).toBe(1);
    const stranger = { ...CA, cert: pem('other.pem'), key: pem('other.key') };
    for (const tls of [CA, stranger]) {
      const error = await failed(server, { tls });
      expect(error).toMatchObject({ name: 'RefusedError', code: 'unauthorized' });
      expect(error.message).toContain('asks for a client certificate');
    }
    expect(notices).toEqual(['a client without an accepted certificate was refused']);
    expect([server.accepted, server.refused]).toEqual([1, 2]);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'is asked for again when a session is resumed, with %s',
    async (version) => {
      const server = await start(MUTUAL);
      for (let reloads = 0; reloads < 2; reloads++) {
        const first = await refusedWith(server, version);
        const second = await refusedWith(server, version, first.session);
        expect(second.isReused).toBe(false);
        await server.reload();
      }
      expect([server.accepted, server.refused]).toEqual([0, 4]);
    },
  );
});

describe('who speaks TLS to a plain port, or plainly to one with TLS', () => {
  test('is told so, once in the notices, and others do not notice', async () => {
    const [server, notices] = await startNoticed(CERTIFICATE);
    const neighbour = await connected(server, { tls: CA });
    for (let i = 0; i < 3; i++) {
      const error = await failed(server, {});
      expect(error).toMatchObject({ name: 'RefusedError', code: 'tls_required' });
      expect(error.message).toContain('connect with TLS');
    }
    const [answer, ...more] = await turnedAway(server, {});
    expect([answer.slice(0, 2), more]).toEqual([[ERROR, 'tls_required'], []]);
    expect(notices).toEqual(['a client that speaks no TLS was refused']);
    expect([server.refused, server.connections]).toEqual([4, 1]);
    await neighbour.ping();
  });

  test('is told so on a plain port', async () => {
    const [server, notices] = await startNoticed();
    const neighbour = await connected(server, {});
    for (let i = 0; i < 3; i++) {
      const error = await failed(server, { tls: true });
      expect(error).toMatchObject({ name: 'TlsError', code: 'tls_failed' });
      expect(error.message).toContain('speaks no TLS on this port');
    }
    expect(notices).toEqual(['a client that speaks TLS was refused: this port does not']);
    expect(server.refused).toBe(3);
    await neighbour.ping();
  });

  test('hears of TLS from a server of another kind too', async () => {
    const server = await start(CERTIFICATE);
    const { port } = server.address;
    // As such servers answer: an alert of TLS.
    const { createServer } = await import('node:net');
    const other = createServer((socket) => socket.end(Buffer.from([0x15, 3, 1, 0, 2, 2, 70])));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const address = other.address() as { port: number };
    expect(address.port).not.toBe(port);
    const error = await errorOf(connect({ port: address.port }));
    expect(error).toMatchObject({ name: 'TlsError' });
    expect(error.message).toContain('connect with tls');
  });

  test('neither nonsense nor silence on a port with TLS harms anybody', async () => {
    const [server, notices] = await startNoticed({ ...CERTIFICATE, helloTimeoutMs: 100 });
    const { port } = server.address;
    const handshake = Buffer.concat([Buffer.from([0x16, 3, 1, 0, 5]), Buffer.alloc(5, 0xff)]);
    for (const bytes of [handshake, Buffer.from([0x16]), Buffer.alloc(0)]) {
      const socket = connectPlain({ port });
      socket.on('error', () => {});
      socket.resume();
      socket.write(bytes);
      await once(socket, 'close');
    }
    const gone = connectPlain({ port });
    await once(gone, 'connect');
    gone.destroy();
    expect(notices).toHaveLength(1);
    expect(notices[0]).toContain('a TLS handshake failed');
    const connection = await connected(server, { tls: CA });
    await connection.ping();
    expect(server.accepted).toBe(1);
  });
});

describe('a reload', () => {
  test('serves new connections with the new certificate; open ones go on', async () => {
    const folder = temporaryFolder();
    const [tlsCert, tlsKey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    copyFileSync(fixture('server.pem'), tlsCert);
    copyFileSync(fixture('server.key'), tlsKey);
    const server = await start({ tlsCert, tlsKey });
    const before = await connected(server, { tls: CA });
    expect(await issuerOf(server)).toBe('sessile test authority');
    copyFileSync(fixture('other.pem'), tlsCert);
    // With the old key it does not fit: the old pair stays in use.
    const error = await errorOf(server.reload());
    expect(error).toMatchObject({ code: 'invalid_options', option: 'tlsCert' });
    expect(await issuerOf(server)).toBe('sessile test authority');
    copyFileSync(fixture('other.key'), tlsKey);
    await server.reload();
    expect(await issuerOf(server)).toBe('another test authority');
    await connected(server, { tls: { ca: pem('other-ca.pem') } });
    await before.ping();
  });
});

describe('options', () => {
  test.each([
    [{ tlsCert: fixture('server.pem') }, 'tlsKey'],
    [{ tlsKey: fixture('server.key') }, 'tlsCert'],
    [{ tlsClientCa: fixture('ca.pem') }, 'tlsCert'],
    [{ ...CERTIFICATE, tlsKey: fixture('other.key') }, 'tlsCert'],
    [{ ...CERTIFICATE, tlsCert: fixture('server.key') }, 'tlsCert'],
    [{ ...CERTIFICATE, tlsKey: '/nowhere/key.pem' }, 'tlsKey'],
    [{ ...CERTIFICATE, tlsClientCa: fixture('server.key') }, 'tlsClientCa'],
  ])('of the server that do not fit are refused: %j', async (options, option) => {
    const error = await errorOf(start(options));
    expect(error).toMatchObject({ code: 'invalid_options', option });
    expect(error.message).not.toContain('PRIVATE');
  });

  test.each([
    [7, 'tls'],
    [{ ca: 7 }, 'tls.ca'],
    [{ cert: pem('client.pem') }, 'tls.cert'],
    [{ cert: pem('client.pem'), key: pem('other.key') }, 'tls'],
    [{ ca: 'no certificate', cert: 'x', key: 'y' }, 'tls'],
  ])('of the client that do not fit are refused (%#)', async (tls, option) => {
    const error = await errorOf(connect({ tls: tls as never }));
    expect(error).toMatchObject({ code: 'invalid_options', option });
  });

  test('of the client are not repeated in the error about them, which may be logged', async () => {
    const key = String(pem('other.key'));
    const [cert, other] = [pem('client.pem'), pem('other.pem')];
    const bad = [{ cert, key }, { key }, { cert, key: [key] }, { cert: [cert], key }, key];
    // A good pair, where there is no TLS.
    const wrong = [...bad.map((tls) => ({ tls })), { tls: { cert: other, key }, path: '/nowhere' }];
    for (const options of wrong) {
      const error = await errorOf(connect(options as ConnectOptions));
      expect(error).toMatchObject({ code: 'invalid_options' });
      const told = `${inspect(error, { depth: null })} ${JSON.stringify(error)}`;
      for (const line of key.split('\n').filter(Boolean)) expect(told).not.toContain(line);
    }
  });

  test('a Unix socket has no TLS', async () => {
    const error = await errorOf(connect({ path: '/nowhere', tls: true }));
    expect(error).toMatchObject({ code: 'invalid_options', option: 'tls' });
  });
});

test('a plain request is answered as ever where there is no TLS', async () => {
  const server = await start();
  const client = await RawClient.greeted(server);
  const session = await client.register(idOf(1));
  client.send(REQUEST, idOf(1), session, 1, ECHO, 1);
  expect(await client.next()).toEqual([REPLY, idOf(1), session, 1, 0, 1]);
  client.destroy();
});
