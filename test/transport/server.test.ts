/**
 * A whole server over TCP: pipelining, sessions that share a connection and connections that share
 * a session, back-pressure from full rings, and a graceful stop.
 */
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type RunningServer, type ServeOptions, serve } from '../../dist/serve.js';
import { release, tryAcquire } from '../../src/workers/owner.ts';
import { Ring } from '../../src/workers/ring.ts';
import {
  CALL,
  CLOSE,
  ECHO,
  ERROR,
  EVICTION,
  type Frame,
  frame,
  GET,
  HELLO,
  idOf,
  PING,
  PONG,
  PUT,
  RawClient,
  REGISTER,
  REGISTERED,
  REPLY,
  REQUEST,
  RESULT,
  WELCOME,
} from './raw-client.ts';

const GATE = fileURLToPath(new URL('./services/gate.mjs', import.meta.url));
/** Operations of the gate service. */
const WAIT = 0;
const GATE_ECHO = 1;

const clients: RawClient[] = [];
let server: RunningServer | undefined;

async function start(options: ServeOptions): Promise<RunningServer> {
  server = await serve({ port: 0, shards: 2, sessionsMax: 500, ...options });
  return server;
}

async function greeted(on: RunningServer): Promise<RawClient> {
  const client = await RawClient.greeted(on);
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await server?.stop();
});

/** The gate of the service: how often an operation began to wait, and the word to go on. */
class Gate {
  readonly #channel = new BroadcastChannel('sessile-test-gate');
  #waiting = 0;
  #wake = (): void => {};

  constructor() {
    this.#channel.onmessage = () => {
      this.#waiting += 1;
      this.#wake();
    };
  }

  async waiting(count: number): Promise<void> {
    while (this.#waiting < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  open(): void {
    this.#channel.postMessage('open');
  }

  close(): void {
    this.#channel.close();
  }
}

/** Everything a connection was sent up to now. */
async function until(client: RawClient): Promise<Frame[]> {
  client.send(PING, 'end');
  const frames: Frame[] = [];
  for (let f = await client.next(); f[0] !== PONG; f = await client.next()) frames.push(f);
  return frames;
}

describe.each(['direct', 'worker'] as const)('a server that runs %s', (run) => {
  it('takes frames that were sent before its welcome came', async () => {
    const client = await RawClient.open(await start({ run }));
    clients.push(client);
    const frames = [frame(HELLO, 1, {}), frame(PING, 'early'), frame(REGISTER, idOf(1), {})];
    client.raw(Buffer.concat(frames));
    const [welcome, pong, registered] = await client.take(3);
    expect(welcome.slice(0, 2)).toEqual([WELCOME, 1]);
    expect(welcome[2]).toMatchObject({ shards: 2, operations: { echo: ECHO, get: GET, put: PUT } });
    expect(pong).toEqual([PONG, 'early']);
    expect(registered.slice(0, 2)).toEqual([REGISTERED, idOf(1)]);
    const session = registered[2] as number;
    client.send(REGISTER, idOf(1), {});
    const again = await client.next();
    expect(again.slice(1, 4)).toEqual([idOf(1), session, 0]);
    expect(again[4]).toMatchObject({ resumed: true });
  });

  it('carries many sessions on one connection, each in its own order', async () => {
    const client = await greeted(await start({ run }));
    const count = 200;
    const sessions: number[] = [];
    for (let i = 0; i < count; i++) sessions.push(await client.register(idOf(i)));
    const frames: Buffer[] = [];
    for (let n = 1; n <= 5; n++) {
      for (let i = 0; i < count; i++) {
        frames.push(frame(REQUEST, idOf(i), sessions[i], n, PUT, { n, i }));
      }
    }
    for (let i = 0; i < count; i++) frames.push(frame(CALL, i, idOf(i), GET, null));
    client.raw(Buffer.concat(frames));
    const numbers = sessions.map(() => 0);
    for (const answer of await client.take(6 * count)) {
      if (answer[0] === RESULT) {
        const i = answer[1] as number;
        expect(answer).toEqual([RESULT, i, 0, [5, { n: 5, i }]]);
        expect(numbers[i]).toBe(5);
        continue;
      }
      const i = Buffer.from(answer[1] as Uint8Array).readUInt32LE(4);
      numbers[i] += 1;
      expect(answer).toEqual([REPLY, idOf(i), sessions[i], numbers[i], 0, numbers[i]]);
    }
    expect(numbers).toEqual(sessions.map(() => 5));
  });

  it('replays a reply on the connection that asks for it again', async () => {
    const on = await start({ run });
    const [a, b] = [await greeted(on), await greeted(on)];
    const session = await a.register(idOf(1));
    const bytes = frame(REQUEST, idOf(1), session, 1, PUT, { paid: true });
    a.raw(bytes);
    const reply = await a.next();
    b.raw(bytes);
    expect(await b.next()).toEqual(reply);
    b.send(CALL, 1, idOf(1), GET, null);
    expect(await b.next()).toEqual([RESULT, 1, 0, [1, { paid: true }]]);
    expect(await until(a)).toEqual([]);
  });

  it('pushes an eviction to the connection on which the session spoke last', async () => {
    const on = await start({ run, sessionsMax: 2 });
    const [a, b, c] = [await greeted(on), await greeted(on), await greeted(on)];
    const session = await a.register(idOf(1));
    a.send(REQUEST, idOf(1), session, 1, ECHO, null);
    await a.next();
    b.send(REQUEST, idOf(1), session, 2, ECHO, null);
    await b.next();
    await c.register(idOf(2));
    await c.register(idOf(3));
    expect(await b.next()).toEqual([EVICTION, idOf(1), session, 'evicted']);
    expect([await until(a), await until(b)]).toEqual([[], []]);
    a.send(REQUEST, idOf(1), session, 3, ECHO, null);
    expect(await a.next()).toEqual([EVICTION, idOf(1), session, 'evicted']);
  });

  it('does not push an eviction to a connection that has gone, nor to the next one', async () => {
    const on = await start({ run, sessionsMax: 2 });
    const [a, c] = [await greeted(on), await greeted(on)];
    await a.register(idOf(1));
    a.destroy();
    while (on.connections > 1) await until(c);
    const next = await greeted(on);
    await c.register(idOf(2));
    await c.register(idOf(3));
    expect([await until(next), await until(c)]).toEqual([[], []]);
  });

  it('tells a close both to who asked for it and to the connection that spoke last', async () => {
    const on = await start({ run });
    const [a, b] = [await greeted(on), await greeted(on)];
    const session = await a.register(idOf(1));
    b.send(CLOSE, idOf(1), 0);
    const closed = [EVICTION, idOf(1), session, 'closed'];
    expect([await b.next(), await a.next()]).toEqual([closed, closed]);
    a.send(CLOSE, idOf(1), session);
    expect(await a.next()).toEqual(closed);
    expect([await until(a), await until(b)]).toEqual([[], []]);
  });

  it('answers a flood far above its rings once each, in the order of each session', async () => {
    const on = await start({ run, shards: 1 });
    const [client, other] = [await greeted(on), await greeted(on)];
    const [count, each] = [40, 1_500];
    const sessions: number[] = [];
    for (let i = 0; i < count; i++) sessions.push(await client.register(idOf(i)));
    const frames: Buffer[] = [];
    for (let n = 1; n <= each; n++) {
      for (let i = 0; i < count; i++) {
        frames.push(frame(REQUEST, idOf(i), sessions[i], n, ECHO, [i, n]));
      }
    }
    // Nobody can run the shard, so all that the ring does not hold waits outside.
    const { memory } = on.engine;
    const words = new Int32Array(memory.arenas[0]);
    while (!tryAcquire(words, 200)) await until(other);
    client.raw(Buffer.concat(frames));
    const ring = new Ring(memory.lanes[0].messages[0]);
    while (ring.capacity - ring.fill() > 24) await until(other);
    for (let i = 0; i < 20; i++) expect(await until(other)).toEqual([]);
    release(words);
    const numbers = sessions.map(() => 0);
    for (let left = count * each; left > 0; left--) {
      const answer = await client.next();
      const i = Buffer.from(answer[1] as Uint8Array).readUInt32LE(4);
      numbers[i] += 1;
      const [kind, , session, number, status, body] = answer;
      const found = JSON.stringify([kind, session, number, status, body]);
      const wanted = JSON.stringify([REPLY, sessions[i], numbers[i], 0, [i, numbers[i]]]);
      if (found !== wanted) throw new Error(`${found} came in place of ${wanted}`);
    }
    expect(await until(client)).toEqual([]);
  });

  it('stops in the middle of a flood: what it answered is whole and in order', async () => {
    const on = await start({ run });
    const client = await greeted(on);
    const session = await client.register(idOf(1));
    const frames: Buffer[] = [];
    for (let n = 1; n <= 5_000; n++) frames.push(frame(REQUEST, idOf(1), session, n, ECHO, n));
    client.raw(Buffer.concat(frames));
    const first = await client.next();
    const stopped = on.stop();
    const answers = [first, ...(await client.rest())];
    await stopped;
    const refused = answers.findIndex(([kind]) => kind === ERROR);
    const replies = refused < 0 ? answers : answers.slice(0, refused);
    expect(replies).toEqual(replies.map((_, i) => [REPLY, idOf(1), session, i + 1, 0, i + 1]));
    for (const [i, [kind, code, , id, number]] of answers.slice(replies.length).entries()) {
      const wanted = [ERROR, 'shutting_down', idOf(1), replies.length + i + 1];
      expect([kind, code, id, number]).toEqual(wanted);
    }
  });
});

describe('a server whose operations wait', () => {
  it('answers a request that was asked for twice on the connection that asked last', async () => {
    const gate = new Gate();
    const on = await start({ service: GATE, shards: 1 });
    const [a, b] = [await greeted(on), await greeted(on)];
    const session = await a.register(idOf(1));
    const bytes = frame(REQUEST, idOf(1), session, 1, WAIT, 'once');
    a.raw(bytes);
    await gate.waiting(1);
    b.raw(bytes);
    // A call of another session behind it on the same ring: once it is answered, so is the join.
    const other = await b.register(idOf(2));
    b.send(REQUEST, idOf(2), other, 1, GATE_ECHO, null);
    expect((await b.next()).slice(0, 2)).toEqual([REPLY, idOf(2)]);
    b.send(REQUEST, idOf(1), session, 1, WAIT, 'another body');
    expect((await b.next())[1]).toBe('request_in_flight');
    gate.open();
    expect(await b.next()).toEqual([REPLY, idOf(1), session, 1, 0, 'once']);
    expect(await until(a)).toEqual([]);
    gate.close();
  });

  it('stops once they have finished, and refuses what comes meanwhile', async () => {
    const gate = new Gate();
    const on = await start({ service: GATE, shards: 1 });
    const [a, b] = [await greeted(on), await greeted(on)];
    const session = await a.register(idOf(1));
    const other = await b.register(idOf(2));
    a.send(REQUEST, idOf(1), session, 1, WAIT, 'sent before');
    await gate.waiting(1);
    const stopped = on.stop();
    b.send(REQUEST, idOf(2), other, 1, GATE_ECHO, null);
    b.send(REGISTER, idOf(3), {});
    b.send(PING, 'still open');
    const [request, register, pong] = await b.take(3);
    const text = 'the server is stopping; reconnect and send it again with the same number';
    expect(request).toEqual([ERROR, 'shutting_down', text, idOf(2), 1, null]);
    expect(register).toEqual([ERROR, 'shutting_down', text, idOf(3), null, null]);
    expect(pong).toEqual([PONG, 'still open']);
    gate.open();
    expect(await a.rest()).toEqual([[REPLY, idOf(1), session, 1, 0, 'sent before']]);
    expect(await b.rest()).toEqual([]);
    await stopped;
    gate.close();
  });
});
