/** The operator's HTTP beyond loopback: over TLS with what the server's own port has. */
import { once } from 'node:events';
import { copyFileSync, readFileSync } from 'node:fs';
import { get as getPlain, type IncomingMessage } from 'node:http';
import { get as getSecure, type RequestOptions } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { HTTP_CONNECTIONS_MAX, HTTP_HEADERS_TIMEOUT_MS } from '../../dist/operating/limits.js';
import type { RunningServer, ServeOptions } from '../../dist/serve.js';
import { errorOf } from '../client/peer.ts';
import { fileWith, temporaryFolder } from './files.ts';
import { BILLING, LIST, OPS, start } from './setup.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`./certificates/${name}`, import.meta.url));
const pem = (name: string): Buffer => readFileSync(fixture(name));

const CERTIFICATE = { tlsCert: fixture('server.pem'), tlsKey: fixture('server.key') };
const MUTUAL = { ...CERTIFICATE, tlsClientCa: fixture('ca.pem') };
const CLIENT = { cert: pem('client.pem'), key: pem('client.key') };
const STRANGER = { cert: pem('other.pem'), key: pem('other.key') };
const OPEN = { operatorPort: 0, operatorHost: '0.0.0.0' } as const;

/** A server whose operators come over the network, and what it notices. */
async function startOpen(options: ServeOptions = {}): Promise<[RunningServer, string[]]> {
  const notices: string[] = [];
  const onNotice = (text: string): void => void notices.push(text);
  const tokens = fileWith(LIST);
  return [await start({ ...CERTIFICATE, ...OPEN, tokens, onNotice, ...options }), notices];
}

async function answerOf(response: IncomingMessage): Promise<[number, string]> {
  let text = '';
  for await (const part of response) text += part;
  return [response.statusCode ?? 0, text];
}

/** A request over TLS with the token of an operator. */
function ask(server: RunningServer, path: string, options: RequestOptions = {}) {
  const { port } = server.operatorAddress!;
  const headers = { authorization: `Bearer ${OPS}` };
  const where = { host: '127.0.0.1', servername: 'localhost', port, path, headers, agent: false };
  return new Promise<[number, string]>((resolve, reject) => {
    const sent = getSecure({ ...where, ca: pem('ca.pem'), ...options }, (response) =>
      resolve(answerOf(response)),
    );
    sent.on('error', reject);
  });
}

/** A request in plain HTTP, to whatever listens. */
function askPlainly(server: RunningServer, path: string): Promise<[number, string]> {
  const { port } = server.operatorAddress!;
  return new Promise((resolve, reject) => {
    const where = { host: '127.0.0.1', port, path, agent: false };
    getPlain(where, (response) => resolve(answerOf(response))).on('error', reject);
  });
}

async function issuerOf(server: RunningServer): Promise<string> {
  const { port } = server.operatorAddress!;
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { issuer } = socket.getPeerCertificate();
  socket.destroy();
  return String(issuer.CN);
}

describe('the operator port of a server with TLS', () => {
  test('beyond loopback speaks HTTPS, with tokens and without being told to trust', async () => {
    const [server, notices] = await startOpen();
    expect(server.operatorAddress).toMatchObject({ host: '0.0.0.0', protocol: 'https' });
    for (const path of ['/', '/healthz', '/metrics', '/status.json', '/sessions.json']) {
      expect((await ask(server, path))[0], path).toBe(200);
    }
    const nobody = await ask(server, '/status.json', { headers: {} });
    expect(nobody).toEqual([401, expect.stringContaining('Authorization: Bearer')]);
    const client = { headers: { authorization: `Bearer ${BILLING}` } };
    expect((await ask(server, '/status.json', client))[0]).toBe(403);
    expect(notices).toEqual([]);
  });

  test('on loopback speaks plain HTTP', async () => {
    const [server] = await startOpen({ operatorHost: '127.0.0.1' });
    expect(server.operatorAddress).toMatchObject({ protocol: 'http' });
    expect((await askPlainly(server, '/status.json'))[0]).toBe(200);
  });

  test('without tokens does not start; without TLS it has to be told to trust', async () => {
    const wrong: ServeOptions[] = [
      { ...CERTIFICATE, ...OPEN },
      { ...CERTIFICATE, ...OPEN, insecure: true },
      { ...OPEN, tokens: fileWith(LIST) },
    ];
    for (const options of wrong) {
      const error = await errorOf(start(options));
      expect(error).toMatchObject({ code: 'invalid_options', option: 'operatorHost' });
      expect(error.message).toMatch(/tokens or jwtKey.*tlsCert and tlsKey.*insecure/);
    }
    const trusting = await start({ ...OPEN, tokens: fileWith(LIST), insecure: true });
    expect(trusting.operatorAddress).toMatchObject({ protocol: 'http' });
  });

  test('has its limits all the same', async () => {
    const [server] = await startOpen();
    const { port } = server.operatorAddress!;
    const long = { headers: { cookie: 'x'.repeat(20_000) } };
    expect(await ask(server, '/healthz', long)).toEqual([431, expect.stringContaining('16384')]);
    const waiting = Array.from({ length: HTTP_CONNECTIONS_MAX }, () => connectPlain({ port }));
    onTestFinished(() => {
      for (const socket of waiting) socket.destroy();
    });
    await Promise.all(waiting.map((socket) => once(socket, 'connect')));
    await expect(ask(server, '/healthz')).rejects.toThrow();
    for (const socket of waiting) socket.destroy();
    await vi.waitFor(async () => expect((await ask(server, '/healthz'))[0]).toBe(200), 10_000);
  });

  test('lets go of a client that says nothing', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout');
    onTestFinished(() => timers.mockRestore());
    const [server] = await startOpen();
    const { port } = server.operatorAddress!;
    const silent = connectPlain({ port });
    onTestFinished(() => void silent.destroy());
    const patience = () => timers.mock.calls.find(([, ms]) => ms === HTTP_HEADERS_TIMEOUT_MS)?.[0];
    while (patience() === undefined) await new Promise(setImmediate);
    patience()!();
    await once(silent.resume(), 'close');
    expect((await ask(server, '/healthz'))[0]).toBe(200);
  });

  test('closes what is open when the server stops: silent, shaking hands, idle', async () => {
    const [server, notices] = await startOpen();
    const { port } = server.operatorAddress!;
    const silent = connectPlain({ port });
    const half = connectPlain({ port });
    half.write(Buffer.from([0x16, 3, 1]));
    const guest = connectPlain({ port: server.address.port });
    guest.write(Buffer.from([0x16, 3, 1]));
    const idle = connectTls({ port, rejectUnauthorized: false });
    const all = [silent, half, guest, idle];
    for (const socket of all) socket.on('error', () => {}).resume();
    await Promise.all([
      once(silent, 'connect'),
      once(half, 'connect'),
      once(guest, 'connect'),
      once(idle, 'secureConnect'),
    ]);
    const closed = all.map((socket) => once(socket, 'close'));
    await server.stop();
    await Promise.all(closed);
    expect(notices).toEqual([]);
  });
});

describe('a certificate of the client', () => {
  test('is needed where clients need one, for all but the probes', async () => {
    const [server] = await startOpen(MUTUAL);
    for (const path of ['/', '/metrics', '/status.json']) {
      expect((await ask(server, path, CLIENT))[0], path).toBe(200);
      for (const other of [{}, STRANGER]) {
        const [status, text] = await ask(server, path, other);
        expect([status, text]).toEqual([403, expect.stringContaining('client certificate')]);
      }
    }
    for (const path of ['/healthz', '/readyz']) expect((await ask(server, path))[0]).toBe(200);
    const nobody = { ...CLIENT, headers: {} };
    expect((await ask(server, '/status.json', nobody))[0]).toBe(401);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'is asked for again when a session is resumed, with %s',
    async (version) => {
      const [server] = await startOpen(MUTUAL);
      const { port } = server.operatorAddress!;
      const only = { minVersion: version, maxVersion: version };
      const statusOf = async (session?: Buffer) => {
        const where = { port, host: '127.0.0.1', servername: 'localhost', ca: pem('ca.pem') };
        const socket = connectTls({ ...where, ...only, session });
        let latest: Buffer | undefined;
        socket.on('session', (taken: Buffer) => {
          latest = taken;
        });
        await once(socket, 'secureConnect');
        const isReused = socket.isSessionReused();
        socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
        const [answer] = await once(socket, 'data');
        socket.destroy();
        expect(String(answer)).toContain('client certificate');
        return { latest, isReused };
      };
      for (let reloads = 0; reloads < 2; reloads++) {
        const { latest } = await statusOf();
        expect((await statusOf(latest)).isReused).toBe(false);
        await server.reload();
      }
    },
  );
});

describe('who speaks plain HTTP to HTTPS, or the reverse', () => {
  test('is told so, once in the notices, and others do not notice', async () => {
    const [server, notices] = await startOpen();
    for (let i = 0; i < 3; i++) {
      const [status, text] = await askPlainly(server, '/status.json');
      expect([status, JSON.parse(text).message]).toEqual([
        400,
        'this port speaks HTTPS, not plain HTTP',
      ]);
    }
    expect(notices).toEqual([
      'who speaks plain HTTP to the operator port was refused: it speaks HTTPS',
    ]);
    expect((await ask(server, '/healthz'))[0]).toBe(200);
  });

  test('is refused at a plain port too', async () => {
    const [server, notices] = await startOpen({ operatorHost: '127.0.0.1' });
    for (let i = 0; i < 3; i++) {
      await expect(ask(server, '/healthz')).rejects.toMatchObject({ code: 'EPROTO' });
    }
    expect(notices).toEqual([
      'who speaks HTTPS to the operator port was refused: it speaks plain HTTP',
    ]);
    expect((await askPlainly(server, '/healthz'))[0]).toBe(200);
  });

  test('nonsense instead of a handshake harms nobody', async () => {
    const [server, notices] = await startOpen();
    const { port } = server.operatorAddress!;
    const handshake = Buffer.concat([Buffer.from([0x16, 3, 1, 0, 5]), Buffer.alloc(5, 0xff)]);
    for (let i = 0; i < 2; i++) {
      const socket = connectPlain({ port });
      socket.on('error', () => {});
      socket.resume();
      socket.write(handshake);
      await once(socket, 'close');
    }
    expect(notices).toEqual([expect.stringContaining('TLS handshake at the operator port failed')]);
    expect((await ask(server, '/healthz'))[0]).toBe(200);
  });
});

test('a reload serves new connections with the new certificate', async () => {
  const folder = temporaryFolder();
  const [tlsCert, tlsKey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  copyFileSync(fixture('server.pem'), tlsCert);
  copyFileSync(fixture('server.key'), tlsKey);
  const [server] = await startOpen({ tlsCert, tlsKey });
  expect(await issuerOf(server)).toBe('sessile test authority');
  copyFileSync(fixture('other.pem'), tlsCert);
  await errorOf(server.reload());
  expect(await issuerOf(server)).toBe('sessile test authority');
  copyFileSync(fixture('other.key'), tlsKey);
  await server.reload();
  expect(await issuerOf(server)).toBe('another test authority');
});
