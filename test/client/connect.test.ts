import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../src/transport/client/connection.ts';
import { ConnectionClosedError, ProtocolError } from '../../src/transport/client/errors.ts';
import { CLOSE, errorOf, HELLO, inState, Peer, PING, REQUEST, WELCOME } from './peer.ts';

let peer: Peer;
beforeEach(async () => {
  peer = await Peer.listen();
});
afterEach(() => peer.close());

describe('connecting', () => {
  test('hello carries version 1, the token and the name, and welcome is kept', async () => {
    const connection = await peer.connect({ token: 'secret', name: 'test' });
    const hello = await peer.next(HELLO);
    expect(hello.fields).toEqual([1, { token: 'secret', client: 'test' }]);
    expect(connection.state).toBe('connected');
    expect(connection.welcome.limits).toMatchObject({ bodyBytesMax: 1024, inFlightMax: 64 });
    expect(connection.welcome.operations.get('echo')).toBe(10);
    expect(connection.welcome.shards).toBe(1);
    expect(connection.welcome.engine).toBe('0.1.0');
  });

  test('hello leaves out what was not given', async () => {
    await peer.connect();
    expect((await peer.next(HELLO)).fields).toEqual([1, {}]);
  });

  test.each(['unsupported_version', 'unauthorized', 'server_busy'])(
    'an error %s instead of a welcome rejects and is not tried again',
    async (code) => {
      peer.automatic.hello = false;
      const connecting = errorOf(peer.connect());
      const hello = await peer.next(HELLO);
      hello.socket.send(22, code, 'no', null, null, null);
      expect(await connecting).toMatchObject({ name: 'RefusedError', code });
      expect(peer.sockets).toHaveLength(1);
    },
  );

  test('a port where nobody listens rejects at once with the cause', async () => {
    const other = await Peer.listen();
    const { port } = other;
    await other.close();
    const error = await errorOf(connect({ port }));
    expect(error).toBeInstanceOf(ConnectionClosedError);
    expect(error.code).toBe('connection_closed');
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('a server that never answers hello rejects after connectTimeoutMs', async () => {
    peer.automatic.hello = false;
    const error = await errorOf(peer.connect({ connectTimeoutMs: 30 }));
    expect(error).toBeInstanceOf(ConnectionClosedError);
    expect(error.message).toContain('no welcome within 30 ms');
  });

  test('a server of another protocol rejects with ProtocolError', async () => {
    peer.automatic.hello = false;
    const connecting = errorOf(peer.connect());
    const page = `HTTP/1.1 400 Bad Request\r\n\r\n${'?'.repeat(100)}`;
    (await peer.next(HELLO)).socket.raw(Buffer.from(page));
    expect(await connecting).toBeInstanceOf(ProtocolError);
  });

  test.each([
    ['another version', 2, WELCOME],
    ['no limits', 1, { ...WELCOME, limits: null }],
    ['a limit of text', 1, { ...WELCOME, limits: { ...WELCOME.limits, body_bytes_max: 'x' } }],
    ['nothing allowed', 1, { ...WELCOME, limits: { ...WELCOME.limits, in_flight_max: 0 } }],
    ['no operations', 1, { ...WELCOME, operations: [] }],
  ])('a welcome with %s is a ProtocolError', async (_what, version, fields) => {
    peer.automatic.hello = false;
    const connecting = errorOf(peer.connect());
    (await peer.next(HELLO)).socket.send(16, version, fields);
    expect(await connecting).toBeInstanceOf(ProtocolError);
  });

  test.each([
    [{ port: 0 }, 'port'],
    [{ port: 65536 }, 'port'],
    [{ host: '' }, 'host'],
    [{ host: 5 as unknown as string }, 'host'],
    [{ token: 'ä'.repeat(4097) }, 'token'],
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ timeoutMs: 2 ** 31 }, 'timeoutMs'],
    [{ connectTimeoutMs: 1.5 }, 'connectTimeoutMs'],
    [{ queueMax: -1 }, 'queueMax'],
    [{ reconnectMinMs: 0 }, 'reconnectMinMs'],
    [{ reconnectMinMs: 50, reconnectMaxMs: 49 }, 'reconnectMaxMs'],
    [{ random: 1 as unknown as () => number }, 'random'],
  ])('the options %j are refused because of %s', async (options, option) => {
    expect(await errorOf(connect(options))).toMatchObject({ code: 'invalid_options', option });
  });
});

describe('an open connection', () => {
  test('a ping resolves with the time it took', async () => {
    const connection = await peer.connect();
    expect(await connection.ping()).toBeGreaterThanOrEqual(0);
  });

  test('a ping without an answer times out, and can be aborted', async () => {
    const connection = await peer.connect();
    peer.automatic.ping = false;
    expect(await errorOf(connection.ping({ timeoutMs: 20 }))).toMatchObject({
      code: 'request_timeout',
    });
    const controller = new AbortController();
    const pinging = errorOf(connection.ping({ signal: controller.signal }));
    await peer.next(PING);
    controller.abort(new Error('enough'));
    expect((await pinging).message).toBe('enough');
  });

  test('a ping over a lost connection rejects', async () => {
    const connection = await peer.connect();
    peer.automatic.ping = false;
    const pinging = errorOf(connection.ping());
    (await peer.next(PING)).socket.destroy();
    expect(await pinging).toBeInstanceOf(ConnectionClosedError);
  });

  test('close rejects everything that waits, and what comes later', async () => {
    const connection = await peer.connect();
    const session = await connection.session();
    peer.automatic.register = false;
    const waiting = [
      connection.session(),
      session.request('echo', 1),
      session.request('echo', 2),
      connection.call(null, 'stats'),
    ].map(errorOf);
    const closing = session.close();
    waiting.push(errorOf(closing));
    await peer.next(REQUEST);
    await connection.close();
    const codes = (await Promise.all(waiting)).map((error) => error.code);
    expect(codes).toEqual([
      'connection_closed',
      'connection_closed',
      'session_evicted',
      'connection_closed',
      'connection_closed',
    ]);
    expect(connection.state).toBe('closed');
    expect(session.state).toBe('closed');
    for (const later of [
      session.request('echo'),
      connection.session(),
      connection.ping(),
      connection.call(null, 'stats'),
    ]) {
      expect(await errorOf(later)).toBeInstanceOf(ConnectionClosedError);
    }
    await connection.close();
    await session.close();
    expect(peer.sockets).toHaveLength(1);
    expect(peer.count(CLOSE)).toBe(0);
  });

  test('close sends what was given to it before', async () => {
    const connection = await peer.connect();
    const session = await connection.session();
    const request = errorOf(session.request('echo', 'last words'));
    await connection.close();
    expect((await peer.next(REQUEST)).fields[4]).toBe('last words');
    await request;
  });

  test('close while reconnecting ends the tries', async () => {
    const connection = await peer.connect({ reconnectMinMs: 100_000, reconnectMaxMs: 100_000 });
    peer.socket.destroy();
    await inState(connection, 'reconnecting');
    await connection.close();
    expect(connection.state).toBe('closed');
  });

  test('its states are told in order', async () => {
    const connection = await peer.connect();
    const states: string[] = [];
    connection.on('state', (state) => states.push(state));
    peer.socket.destroy();
    await inState(connection, 'reconnecting');
    await inState(connection, 'connected');
    await connection.close();
    expect(states).toEqual(['reconnecting', 'connected', 'closed']);
  });

  test('an error that answers nothing is told', async () => {
    const connection = await peer.connect();
    const refused = once(connection, 'refused');
    peer.socket.send(22, 'shutting_down', 'soon', null, null, null);
    expect((await refused)[0]).toMatchObject({ code: 'shutting_down', message: 'soon' });
    expect(connection.state).toBe('connected');
  });
});

describe('the process', () => {
  const client = new URL('../../src/transport/client/connection.ts', import.meta.url);

  async function run(script: string): Promise<string> {
    const code = `import { connect } from ${JSON.stringify(client.href)};
      const connection = await connect({ port: ${peer.port} });
      ${script}`;
    const args = ['--import', 'tsx', '--input-type=module', '-e', code];
    const cwd = fileURLToPath(new URL('../..', import.meta.url));
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
    });
    await once(child, 'close');
    return output;
  }

  test('ends while an unref’d connection is idle', async () => {
    expect(await run(`connection.unref(); console.log('idle');`)).toBe('idle\n');
  });

  test('lives while an unref’d connection waits for an answer', async () => {
    const output = run(`connection.unref();
      const session = await connection.session();
      console.log(await session.request('echo', 'answered'));`);
    const request = await peer.next(REQUEST);
    // The answer is late by several turns of the event loop: an idle process would be gone.
    setTimeout(() => request.socket.reply(request), 50);
    expect(await output).toBe('answered\n');
  });

  test('ends after close, with nothing left that would hold it', async () => {
    const output = run(`const session = await connection.session();
      const late = session.request('echo', 1, { timeoutMs: 600_000 }).catch((e) => e.code);
      const call = connection.call(null, 'stats', null, { timeoutMs: 600_000 });
      const codes = Promise.all([late, call.catch((e) => e.code)]);
      await connection.ping();
      await connection.close();
      console.log((await codes).join());`);
    expect(await output).toBe('connection_closed,connection_closed\n');
  });

  test('survives a listener that throws, if it catches that, and loses no answer', async () => {
    peer.automatic.request = true;
    peer.automatic.close = true;
    const output = await run(`process.on('uncaughtException', (e) => console.log(e.message));
      const doomed = await connection.session();
      const session = await connection.session();
      doomed.on('state', () => { throw new Error('a bug of the caller'); });
      const closing = doomed.close();
      const result = session.request('echo', 'kept');
      console.log(await result);
      await closing;
      await connection.close();`);
    expect(output.split('\n').sort()).toEqual(['', 'a bug of the caller', 'kept']);
    expect(peer.sockets).toHaveLength(2);
  });
});
