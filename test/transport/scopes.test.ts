/** Sessions that end with their connection: all of them, no other, and whatever they are doing. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type RunningServer, type ServeOptions, serve } from '../../dist/serve.js';
import { ErrorCode } from '../../src/core/codes.ts';
import { Kind } from '../../src/core/message.ts';
import { SCOPED_SESSIONS_MAX } from '../../src/transport/limits.ts';
import { ScopedSessions } from '../../src/transport/scoped-sessions.ts';
import { Answer, AnswerKind } from '../../src/workers/answer.ts';
import { release, tryAcquire } from '../../src/workers/owner.ts';
import {
  CALL,
  CLOSE,
  ECHO,
  ERROR,
  EVICTION,
  frame,
  GET,
  idOf,
  RawClient,
  REGISTER,
  REGISTERED,
  REPLY,
  REQUEST,
  RESULT,
} from './raw-client.ts';

const GATE = fileURLToPath(new URL('./services/gate.mjs', import.meta.url));
const WAIT = 0;
const SCOPED = { scope: 'connection' };
const A = idOf(1);
const B = idOf(2);
const C = idOf(3);

const clients: RawClient[] = [];
let server: RunningServer;

async function start(options: ServeOptions): Promise<void> {
  server = await serve({ port: 0, shards: 2, sessionsMax: 500, ...options });
}

async function greeted(localPort = 0): Promise<RawClient> {
  const client = await RawClient.greeted(server, localPort);
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server.stop();
});

/** Waits for what other threads or the system bring about. The test's own limit ends it. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    // Whoever brings it about needs the processor that looking without a pause would take.
    await new Promise((resolve) => (turn < 50 ? setImmediate(resolve) : setTimeout(resolve, 1)));
  }
}

/** What a connection is told by a request of a session. */
async function asked(client: RawClient, id: Uint8Array, session: number, request: number) {
  client.send(REQUEST, id, session, request, ECHO, null);
  return client.next();
}

/** Takes the shards as another thread would; nobody else runs them until the result is called. */
async function holdShards(): Promise<() => void> {
  const arenas = server.engine.memory.arenas.map((memory) => new Int32Array(memory));
  for (const words of arenas) await until(() => tryAcquire(words, 99));
  return () => {
    for (const words of arenas) release(words);
  };
}

const LEAVE: [string, (client: RawClient) => void][] = [
  ['ends it', (client) => client.socket.end()],
  ['is destroyed', (client) => client.destroy()],
  ['resets it', (client) => client.socket.resetAndDestroy()],
];

describe.each(['direct', 'worker'] as const)('on a server that runs %s', (run) => {
  it.each(LEAVE)(
    'sessions of a connection end when the client %s, and no others',
    async (...by) => {
      await start({ run });
      const leaving = await greeted();
      const staying = await greeted();
      const ended = await leaving.register(A, SCOPED);
      const kept = await leaving.register(B);
      const other = await staying.register(C, SCOPED);
      by[1](leaving);
      await until(() => server.engine.sessions === 2);
      expect(await asked(staying, A, ended, 1)).toEqual([EVICTION, A, ended, 'disconnected']);
      expect(await asked(staying, B, kept, 1)).toEqual([REPLY, B, kept, 1, 0, null]);
      expect(await asked(staying, C, other, 1)).toEqual([REPLY, C, other, 1, 0, null]);
      staying.send(CALL, 7, A, GET, null);
      expect((await staying.next()).slice(0, 2)).toEqual([ERROR, 'no_session']);
      expect(server.engine.stats()).toMatchObject({ disconnected: 1, sessions: 2 });
      expect(await staying.register(A)).toBeGreaterThan(ended);
    },
  );

  it('a client on the same port inherits nothing', async () => {
    await start({ run });
    let session = 0;
    let second: RawClient | undefined;
    // Another process of the machine may take the port between the two.
    for (let tries = 0; second === undefined && tries < 20; tries++) {
      const first = await greeted();
      const port = first.socket.localPort as number;
      session = await first.register(A, SCOPED);
      first.socket.resetAndDestroy();
      await until(() => server.engine.sessions === 0);
      second = await greeted(port).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') return undefined;
        throw error;
      });
      expect(second?.socket.localPort ?? port).toBe(port);
    }
    assert(second !== undefined, 'a port is free twice in 20 tries');
    expect(await asked(second, A, session, 1)).toEqual([EVICTION, A, session, 'disconnected']);
    second.send(REGISTER, A, {});
    const answer = await second.next();
    expect([answer[0], answer[3], answer[4]]).toMatchObject([REGISTERED, 0, { resumed: false }]);
    expect(answer[2]).toBeGreaterThan(session);
    // This one is nobody's connection's.
    second.socket.resetAndDestroy();
    await until(() => server.connections === 0);
    const third = await greeted();
    expect((await asked(third, A, answer[2] as number, 1))[0]).toBe(REPLY);
  });

  it('a session that another connection resumed stays bound to the first', async () => {
    await start({ run });
    const first = await greeted();
    const session = await first.register(A, SCOPED);
    const second = await greeted();
    expect(await second.register(A, SCOPED)).toBe(session);
    second.destroy();
    await until(() => server.connections === 1);
    const third = await greeted();
    expect(await third.register(A)).toBe(session);
    expect((await asked(third, A, session, 1))[0]).toBe(REPLY);
    first.destroy();
    expect(await third.next()).toEqual([EVICTION, A, session, 'disconnected']);
    expect(server.engine.sessions).toBe(0);
  });

  it('a session that ended before is left alone, and so is the next one of its id', async () => {
    await start({ run });
    const first = await greeted();
    const other = await greeted();
    const sessions: number[] = [];
    for (const id of [A, B]) sessions.push(await first.register(id, SCOPED));
    first.send(CLOSE, A, sessions[0]);
    expect(await first.next()).toEqual([EVICTION, A, sessions[0], 'closed']);
    expect(await server.engine.remove(B)).toBe(true);
    expect(await first.next()).toEqual([EVICTION, B, sessions[1], 'removed']);
    const again: number[] = [];
    for (const id of [A, B]) again.push(await other.register(id));
    first.destroy();
    await until(() => server.connections === 1);
    for (const [i, id] of [A, B].entries()) {
      expect((await asked(other, id, again[i], 1))[0]).toBe(REPLY);
    }
  });

  it('a session whose register is answered too late ends as well', async () => {
    await start({ run, sessionsMax: 4 });
    const staying = await greeted();
    for (let n = 10; n < 14; n++) await staying.register(idOf(n));
    const leaving = await greeted();
    const letGo = await holdShards();
    leaving.raw(Buffer.concat([frame(REGISTER, A, SCOPED), frame(REGISTER, B, {})]));
    // Once the server has read it, or the reset would take it away.
    await until(() => leaving.socket.bytesWritten > 0 && leaving.socket.writableLength === 0);
    leaving.socket.end();
    await until(() => server.connections === 1);
    letGo();
    await until(() => {
      const { registered, disconnected } = server.engine.stats();
      return registered === 6 && disconnected === 1;
    });
    expect(await server.engine.inspect(A)).toBe(null);
    expect(await server.engine.inspect(B)).toMatchObject({ connectionScoped: false });
  });

  it('all sessions of a connection end, more of them than a ring holds', async () => {
    const count = 14_000;
    await start({ run, shards: 1, sessionsMax: 20_000, dataBytesMax: 16, replyBytesMax: 16 });
    const leaving = await greeted();
    const staying = await greeted();
    const kept = await staying.register(A, SCOPED);
    for (let n = 0; n < count; n++) leaving.send(REGISTER, idOf(100 + n), SCOPED);
    await leaving.take(count);
    const letGo = await holdShards();
    leaving.destroy();
    await until(() => server.connections === 1);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(server.engine.sessions).toBe(count + 1);
    letGo();
    await until(() => server.engine.sessions === 1);
    expect(server.engine.stats().disconnected).toBe(count);
    expect((await asked(staying, A, kept, 1))[0]).toBe(REPLY);
  });
});

describe('a session that executes when its connection goes', () => {
  const gate = new BroadcastChannel('sessile-test-gate');
  let waiting = 0;
  gate.onmessage = ({ data }) => {
    if (data === 'waiting') waiting += 1;
  };

  /** A request that waits at the gate, on a new connection. */
  async function executing(): Promise<[RawClient, number]> {
    waiting = 0;
    const client = await greeted();
    const session = await client.register(A, SCOPED);
    client.send(REQUEST, A, session, 1, WAIT, 'reply');
    await until(() => waiting === 1);
    return [client, session];
  }

  it.each([0, 2])('ends once that has committed, on %i shards', async (shards) => {
    await start({ shards, service: GATE });
    const [client, session] = await executing();
    client.destroy();
    await until(() => server.connections === 0);
    const other = await greeted();
    await other.register(B);
    expect(await server.engine.inspect(A)).toMatchObject({ executing: true });
    gate.postMessage('open');
    await until(() => server.engine.sessions === 1);
    other.send(REQUEST, A, session, 1, WAIT, 'reply');
    expect(await other.next()).toEqual([EVICTION, A, session, 'disconnected']);
    expect(server.engine.stats()).toMatchObject({ requests: 1, disconnected: 1, executing: 0 });
  });

  it.each([0, 2])(
    'gives its reply to who joined, then tells its end: %i shards',
    async (shards) => {
      await start({ shards, service: GATE });
      const [client, session] = await executing();
      const other = await greeted();
      expect(await other.register(A)).toBe(session);
      other.send(REQUEST, A, session, 1, WAIT, 'reply');
      other.send(REQUEST, A, session, 3, WAIT, 'reply');
      expect((await other.next())[1]).toBe('request_gap');
      client.destroy();
      await until(() => server.connections === 1);
      gate.postMessage('open');
      expect(await other.next()).toEqual([REPLY, A, session, 1, 0, 'reply']);
      expect(await other.next()).toEqual([EVICTION, A, session, 'disconnected']);
    },
  );

  it('ends too when a two-phase caller commits or aborts it', async () => {
    await start({ shards: 1 });
    const view = server.engine.view();
    for (const settle of ['commit', 'abort'] as const) {
      const client = await greeted();
      const session = await client.register(A, SCOPED);
      const begun = view.begin(A, session, 1);
      expect(begun.verdict).toBe('execute');
      client.destroy();
      await until(() => server.connections === 0);
      // The session is doomed once the disconnect has come to the shard.
      client.destroy();
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      expect(server.engine.sessions).toBe(1);
      if (settle === 'commit') view.commit(begun, 'done');
      else view.abort(begun);
      await until(() => server.engine.sessions === 0);
    }
    view.release();
  });
});

it('a connection forgets a session that it is told has expired', async () => {
  await start({ shards: 0 });
  const scoped = new ScopedSessions();
  const a = new Answer();
  a.kind = AnswerKind.REGISTERED;
  a.value = 1;
  for (let n = 1; n <= SCOPED_SESSIONS_MAX; n++) {
    a.id0 = n;
    scoped.note(a);
  }
  expect(scoped.isFull).toBe(true);
  a.kind = AnswerKind.ERROR;
  a.of = Kind.CALL;
  a.code = ErrorCode.EXPIRED;
  a.id0 = 5;
  scoped.note(a);
  expect(scoped.isFull).toBe(false);
});

it('a call that finds its session expired is told so, once', async () => {
  await start({ shards: 0 });
  const client = await greeted();
  await client.register(A, { ...SCOPED, ttl_ms: 1 });
  const end = performance.now() + 3;
  await until(() => performance.now() > end);
  client.send(CALL, 1, A, GET, null);
  client.send(CALL, 2, null, 'sweep', null);
  expect((await client.next()).slice(0, 2)).toEqual([ERROR, 'expired']);
  expect(await client.next()).toEqual([RESULT, 2, 0, 0]);
});
