/** Each path of the operator's HTTP, and each request that it refuses. */
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { SessileError } from '../../dist/core/errors.js';
import { OperatorServer } from '../../dist/operating/operator-server.js';
import { checkOperating } from '../../dist/operating/options.js';
import type { Authenticator, Role } from '../../dist/security/authenticator.js';
import { type RunningServer, serve } from '../../dist/serve.js';
import { Notices } from '../../dist/transport/notices.js';
import type { Address } from '../../dist/transport/server.js';
import { idOf } from '../transport/raw-client.ts';
import { type Asked, asJson, ask, readMetrics } from './http.ts';

const CHANGES = { 'x-sessile-console': '1' };

let server: RunningServer;
let address: Address;

const hex = (number: number): string => Buffer.from(idOf(number)).toString('hex');

beforeAll(async () => {
  server = await serve({ port: 0, operatorPort: 0, shards: 0, sessionsMax: 100 });
  address = server.operatorAddress!;
});

afterAll(() => server.stop());

/** The status and the JSON of a request. */
async function told(path: string, asked?: Asked): Promise<[number, Record<string, unknown>]> {
  const { status, text } = await ask(address, path, asked);
  return [status, JSON.parse(text)];
}

describe('an operator', () => {
  it('sees that the server lives and takes requests, until it stops', async () => {
    expect(await told('/healthz')).toEqual([200, { alive: true }]);
    expect(await told('/readyz')).toEqual([200, { ready: true }]);
    const other = await serve({ port: 0, operatorPort: 0, shards: 0, service: waiting });
    const { session } = await other.engine.register(hex(1));
    const reply = other.engine.request(hex(1), session, 1, 'wait');
    const stopped = other.stop();
    const { status, text } = await ask(other.operatorAddress!, '/readyz');
    expect([status, text]).toEqual([503, '{"ready":false}']);
    expect((await ask(other.operatorAddress!, '/healthz')).status).toBe(200);
    proceed();
    await reply;
    await stopped;
    await expect(ask(other.operatorAddress!, '/healthz')).rejects.toThrow();
  });

  it('is answered at once when the engine has stopped', async () => {
    const other = await serve({ port: 0, operatorPort: 0, shards: 1, run: 'worker' });
    onTestFinished(() => other.stop());
    await other.engine.stop();
    const session = `/sessions/${hex(1)}`;
    const asks: [string, Asked][] = [
      [session, {}],
      [session, { method: 'DELETE', headers: CHANGES }],
      ['/sweep', { method: 'POST', headers: CHANGES }],
    ];
    for (const [path, asked] of asks) {
      const { status, text } = await ask(other.operatorAddress!, path, asked);
      expect([status, JSON.parse(text)]).toMatchObject([503, { code: 'shutting_down' }]);
    }
  });

  it('lists sessions by every filter, in pages', async () => {
    for (let n = 1; n <= 5; n++) await server.engine.register(hex(n), { ttlMs: null });
    const [, all] = await told('/sessions.json');
    expect(all).toMatchObject({ cursor: null });
    expect(all.sessions).toHaveLength(5);
    expect(Object.keys((all.sessions as object[])[0])).toEqual([
      ...['id', 'session', 'request', 'created_ms', 'last_activity_ms', 'idle_ms', 'ttl_ms'],
      ...['expires_in_ms', 'version', 'data_bytes', 'executing', 'connection_scoped'],
    ]);
    const ids: string[] = [];
    let cursor: string | null = '';
    do {
      const path = `/sessions.json?limit=2&cursor=${cursor}&idle_ms_min=0&age_ms_min=0`;
      const page = (await asJson(address, path)) as {
        sessions: { id: string }[];
        cursor: string | null;
      };
      expect(page.sessions.length).toBeLessThanOrEqual(2);
      ids.push(...page.sessions.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor !== null);
    expect(ids.sort()).toEqual([1, 2, 3, 4, 5].map(hex));
    const [, one] = await told(`/sessions.json?prefix=${hex(3)}`);
    expect(one.sessions).toMatchObject([{ id: hex(3), ttl_ms: null, expires_in_ms: null }]);
    const [, none] = await told('/sessions.json?age_ms_min=3600000');
    expect(none).toEqual({ sessions: [], cursor: null });
  });

  it('looks at a session, removes it, and sweeps', async () => {
    await server.engine.register(hex(20), { rate: { perSecond: 3, burst: 4 } });
    const path = `/sessions/${hex(20)}`;
    const [status, details] = await told(path.toUpperCase().replace('SESSIONS', 'sessions'));
    expect(status).toBe(200);
    expect(details).toMatchObject({ id: hex(20), rate: [3, 4], capabilities: [] });
    const remove = { method: 'DELETE', headers: CHANGES };
    expect(await told(path, remove)).toEqual([200, { removed: true }]);
    expect(await told(path, remove)).toEqual([200, { removed: false }]);
    expect(await told(path)).toMatchObject([404, { code: 'no_session' }]);
    expect(await told('/sweep', { method: 'POST', headers: CHANGES })).toEqual([200, { ended: 0 }]);
  });

  it('reads metrics, the history and the page, each with the right headers', async () => {
    const metrics = await ask(address, '/metrics');
    expect(metrics.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(readMetrics(metrics.text).get('sessile_sessions_capacity')).toBe(100);
    expect(await told('/history.json')).toMatchObject([
      200,
      { interval_ms: 1000, columns: expect.arrayContaining(['time_ms', 'p99_us']) },
    ]);
    const page = await ask(address, '/');
    expect(page.status).toBe(200);
    for (const { headers } of [metrics, page, await ask(address, '/nothing')]) {
      expect(headers).toMatchObject({
        'content-security-policy': expect.stringMatching(/^default-src 'self';/),
        'x-content-type-options': 'nosniff',
      });
    }
    expect(metrics.headers['cache-control']).toBe('no-store');
  });

  it('may ask for the head alone', async () => {
    const head = await ask(address, '/healthz', { method: 'HEAD' });
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', '14']);
  });
});

describe('a request is refused', () => {
  it.each([
    ['/nothing', {}, 404, 'not_found'],
    ['/sessions/', {}, 400, 'invalid_options'],
    ['/sessions/abc', {}, 400, 'invalid_options'],
    [`/sessions/${'g'.repeat(32)}`, {}, 400, 'invalid_options'],
    [`/sessions/${'0'.repeat(31)}%30`, {}, 400, 'invalid_options'],
    ['/sessions.json?limit=0', {}, 400, 'invalid_options'],
    ['/sessions.json?limit=1e3', {}, 400, 'invalid_options'],
    ['/sessions.json?prefix=xyz', {}, 400, 'invalid_options'],
    ['/sessions.json?cursor=9.9', {}, 400, 'invalid_options'],
    ['/sessions.json?constructor=1', {}, 400, 'invalid_options'],
    ['/../../package.json', {}, 404, 'not_found'],
    ['/%2e%2e/package.json', {}, 404, 'not_found'],
    ['//', {}, 404, 'not_found'],
    ['/metrics', { method: 'POST' }, 405, 'wrong_method'],
    ['/', { method: 'DELETE' }, 405, 'wrong_method'],
    ['/sweep', {}, 405, 'wrong_method'],
    ['/readyz', { method: 'OPTIONS' }, 405, 'wrong_method'],
    [`/sessions/${hex(1)}`, { method: 'PUT' }, 405, 'wrong_method'],
    ['/sweep', { method: 'POST' }, 403, 'forbidden'],
    ['/sweep', { method: 'POST', headers: { 'x-sessile-console': '0' } }, 403, 'forbidden'],
    [`/sessions/${hex(1)}`, { method: 'DELETE' }, 403, 'forbidden'],
    ['/sweep', { method: 'POST', headers: CHANGES, body: 'x' }, 413, 'body_too_large'],
    ['/healthz', { headers: { host: 'evil.example' } }, 421, 'wrong_host'],
    ['/', { headers: { host: 'evil.example:7378' } }, 421, 'wrong_host'],
    ['/status.json', { headers: { host: '127.0.0.1.evil.example' } }, 421, 'wrong_host'],
    ['/status.json', { headers: { host: 'localhost@evil.example' } }, 421, 'wrong_host'],
  ])('%s %o', async (path, asked: Asked, status, code) => {
    const before = server.engine.sessions;
    expect(await told(path, asked)).toEqual([status, { code, message: expect.any(String) }]);
    expect(server.engine.sessions).toBe(before);
    expect(await told('/healthz')).toEqual([200, { alive: true }]);
  });

  it('says which methods there are', async () => {
    const { headers } = await ask(address, `/sessions/${hex(1)}`, { method: 'PATCH' });
    expect(headers.allow).toBe('HEAD, GET, DELETE');
  });

  it('by any name of this machine it is not', async () => {
    for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:80', '127.9.9.9', '[::1]:7378']) {
      expect((await ask(address, '/status.json', { headers: { host } })).status).toBe(200);
    }
  });

  it('with headers that are too long', async () => {
    const long = { headers: { cookie: 'x'.repeat(20_000) } };
    expect((await ask(address, '/healthz', long)).status).toBe(431);
  });

  it.each([
    ['GET nonsense HTTP/1.1\r\nhost: localhost\r\n\r\n', 400],
    ['GET http://localhost/status.json HTTP/1.1\r\nhost: localhost\r\n\r\n', 400],
    ['GET /status.json HTTP/1.0\r\n\r\n', 421],
    ['GET /status.json HTTP/1.1\r\nhost: \r\n\r\n', 421],
    ['POST /sweep HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n', 413],
  ])('%j', async (bytes, status) => {
    const socket = connectTcp(address.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(bytes);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });
});

const notices = new Notices(() => {});

/** Tokens are their own principals: `operator`, `client`, and none else. */
const authenticator: Authenticator = {
  async authenticate(token) {
    if (token !== 'operator' && token !== 'client') {
      throw new SessileError('unauthorized', 'the token is unknown');
    }
    return { name: token, roles: new Set<Role>([token]) };
  },
};

describe('beyond the loopback address', () => {
  it('nothing is served without tokens, nor with them plainly on a network to distrust', () => {
    for (const operatorHost of ['0.0.0.0', '::', 'example.org', '10.0.0.1']) {
      const options = { operatorPort: 0, operatorHost };
      const expected = /operatorHost is .* a token is asked for .*say insecure/;
      const trusting = { ...options, insecure: true };
      const place = { host: operatorHost, port: 0 };
      for (const hasTls of [false, true]) {
        const bare = { hasTokens: false, hasTls };
        expect(() => checkOperating(options, bare)).toThrow(expected);
        expect(() => checkOperating(trusting, bare)).toThrow(expected);
        const guarded = { hasTokens: true, hasTls };
        expect(checkOperating(trusting, guarded)).toEqual({ ...place, isTls: hasTls });
        if (hasTls) expect(checkOperating(options, guarded)).toEqual({ ...place, isTls: true });
        else expect(() => checkOperating(options, guarded)).toThrow(expected);
      }
    }
  });

  it('a server that is not told to trust the network does not start', async () => {
    const options = { port: 0, operatorPort: 0, operatorHost: '0.0.0.0', shards: 0 };
    await expect(serve(options)).rejects.toThrow(/operatorHost is/);
    await expect(serve({ ...options, insecure: true })).rejects.toThrow(/operatorHost is/);
  });

  it('an operator has a token; the page and the probes need none', async () => {
    const { router, operator } = server.engine;
    const config = { host: '0.0.0.0', port: 0, authenticator, router, operator, notices };
    const operators = new OperatorServer({ ...config, isStopping: () => false });
    const open = await operators.listen();
    onTestFinished(() => operators.stop());
    const code = async (path: string, token?: string, asked: Asked = {}) => {
      const bearer = token === undefined ? undefined : { authorization: token };
      const headers = { ...bearer, ...asked.headers, host: 'any.example' };
      return (await ask(open, path, { ...asked, headers })).status;
    };
    for (const path of ['/', '/healthz', '/readyz']) expect(await code(path)).toBe(200);
    const closed = ['/metrics', '/status.json', '/history.json', '/sessions.json', '/nothing'];
    for (const path of closed) {
      expect(await code(path)).toBe(401);
      expect(await code(path, 'Bearer wrong')).toBe(401);
      expect(await code(path, 'operator')).toBe(401);
      expect(await code(path, 'Bearer client')).toBe(403);
      expect(await code(path, 'Bearer operator')).toBe(path === '/nothing' ? 404 : 200);
    }
    const sweep = { method: 'POST', headers: CHANGES };
    expect(await code('/sweep', 'Bearer client', sweep)).toBe(403);
    expect(await code('/sweep', 'Bearer operator', { method: 'POST' })).toBe(403);
    expect(await code('/sweep', 'Bearer operator', sweep)).toBe(200);
    const refused = await ask(open, '/metrics');
    expect(refused.headers['www-authenticate']).toBe('Bearer');
  });
});

describe('on a loopback address with tokens', () => {
  it('none is needed, but one that is shown must be good', async () => {
    const { router, operator } = server.engine;
    const config = { host: '127.0.0.1', port: 0, authenticator, router, operator, notices };
    const events: unknown[] = [];
    const note = (event: string, fields?: object): unknown => events.push([event, fields]);
    const log = { info: note, warn: note, error: note };
    const operators = new OperatorServer({ ...config, isStopping: () => false, log });
    const local = await operators.listen();
    onTestFinished(() => operators.stop());
    const code = async (token?: string): Promise<number> => {
      const headers = token === undefined ? CHANGES : { ...CHANGES, authorization: token };
      return (await ask(local, '/sweep', { method: 'POST', headers })).status;
    };
    expect([await code(), await code('Bearer operator')]).toEqual([200, 200]);
    expect(events).toEqual([]);
    expect([await code('Bearer client'), await code('Bearer wrong')]).toEqual([403, 401]);
    expect(events).toMatchObject([
      ['operator_refused', { code: 'forbidden', address: '127.0.0.1' }],
      ['operator_refused', { code: 'unauthorized', address: '127.0.0.1' }],
    ]);
  });
});

describe('a server', () => {
  it('has no operator port unless it is asked for', async () => {
    const plain = await serve({ port: 0, shards: 0 });
    expect(plain.operatorAddress).toBeUndefined();
    await plain.stop();
  });

  it('does not start without the operator port that it was given', async () => {
    const taken = { port: 0, operatorPort: address.port, shards: 0 };
    await expect(serve(taken)).rejects.toMatchObject({ code: 'cannot_listen' });
    for (const operatorPort of [-1, 70_000, 'on' as 'off']) {
      await expect(serve({ port: 0, operatorPort })).rejects.toThrow(/operatorPort is/);
    }
  });
});

let proceed = (): void => {};

const waiting = {
  name: 'waiting',
  operations: {
    wait: {
      number: 0,
      execute: () =>
        new Promise<void>((resolve) => {
          proceed = resolve;
        }),
    },
  },
};
