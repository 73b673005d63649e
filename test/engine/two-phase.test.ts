/** Requests in two phases: begin, work anywhere, then commit or abort. */
import { describe, expect, test } from 'vitest';
import type { Begun, EngineView } from '../../dist/index.js';
import { serve } from '../../dist/serve.js';
import { connect } from '../../dist/transport/client/connection.js';
import * as h from './helpers.ts';

const A = h.id(1);
const B = h.id(2);

function execute(begun: Begun): Begun {
  expect(begun.verdict).toBe('execute');
  return begun;
}

async function start(options = {}) {
  const engine = await h.startEngine({ shards: 0, ...options });
  const view = engine.view();
  const { session } = view.register(A);
  return { engine, view, session };
}

describe.each([0, 2])('on %i shards', (shards) => {
  test('a request is begun, committed and replayed with its status and bytes', async () => {
    const { engine, view, session } = await start({ shards });
    const begun = execute(view.begin(A, session, 1, 7, { pay: 5 }));
    expect(view.begin(A, session, 1, 7, { pay: 5 })).toEqual({ verdict: 'in_flight' });
    const other = { verdict: 'refused', error: 'request_in_flight' };
    expect(view.begin(A, session, 1, 7, { pay: 6 })).toEqual(other);
    expect(view.begin(A, session, 1, 8, { pay: 5 })).toEqual(other);
    expect(h.thrown(() => view.request(A, session, 1, 'put', {}))).toMatchObject({
      code: 'request_in_flight',
    });
    expect(h.thrown(() => view.close(A))).toMatchObject({ code: 'request_in_flight' });
    view.commit(begun, { paid: [5] }, 'conflict');
    const reply = { status: 'conflict', body: { paid: [5] }, replayed: true };
    expect(view.begin(A, session, 1, 7, { pay: 5 })).toEqual({ verdict: 'replay', reply });
    const mismatch = { verdict: 'refused', error: 'request_mismatch' };
    expect(view.begin(A, session, 1, 7, { pay: 6 })).toEqual(mismatch);
    expect(view.begin(A, session, 3)).toEqual({ verdict: 'refused', error: 'request_gap' });
    expect(view.begin(A, session, 0)).toEqual({ verdict: 'refused', error: 'request_stale' });
    expect(view.register(A)).toMatchObject({ resumed: true, request: 1 });
    await h.checkTables(engine);
  });

  test('an aborted request leaves its number free and the session as it was', async () => {
    const { engine, view, session } = await start({ shards });
    view.request(A, session, 1, 'put', { n: 1 });
    view.abort(execute(view.begin(A, session, 2, 7, 'x')));
    expect(view.request(A, session, 2, 'get')).toMatchObject({ body: [1, { n: 1 }] });
    await h.checkTables(engine);
  });

  test('only what began is finished, and only once', async () => {
    const { engine, view, session } = await start({ shards });
    const begun = execute(view.begin(A, session, 1));
    const joined = view.begin(A, session, 1);
    for (const finish of [() => view.commit(joined, 1), () => view.abort(joined)]) {
      expect(h.thrown(finish)).toMatchObject({ code: 'not_begun' });
    }
    view.commit(begun, 'first');
    expect(h.thrown(() => view.commit(begun, 'second'))).toMatchObject({ code: 'not_begun' });
    expect(h.thrown(() => view.abort(begun))).toMatchObject({ code: 'not_begun' });
    expect(view.begin(A, session, 1)).toMatchObject({ reply: { body: 'first' } });
    const next = execute(view.begin(A, session, 2));
    expect(h.thrown(() => view.commit(begun, 'late'))).toMatchObject({ code: 'not_begun' });
    view.commit(next, 'next');
    await h.checkTables(engine);
  });

  test('a reply that is too long is refused, and the request goes on', async () => {
    const { view, session } = await start({ shards, replyBytesMax: 32 });
    const begun = execute(view.begin(A, session, 1));
    const error = h.thrown(() => view.commit(begun, 'x'.repeat(32)));
    expect(error).toMatchObject({ name: 'InvalidOptionError', option: 'reply' });
    view.commit(begun, undefined);
    expect(view.begin(A, session, 1)).toMatchObject({ reply: { body: null, status: 'ok' } });
  });

  test('a session between begin and commit is never evicted, closed or expired', async () => {
    const { engine, view, session } = await start({ shards, sessionsMax: 1, ttlMs: 250 });
    const begun = execute(view.begin(A, session, 1));
    await h.clockPast(300);
    expect(h.thrown(() => view.register(B))).toMatchObject({ code: 'server_busy' });
    expect(await h.failure(engine.register(B))).toMatchObject({ code: 'server_busy' });
    expect(await h.failure(engine.close(A))).toMatchObject({ code: 'request_in_flight' });
    expect(view.call(A, 'get')).toMatchObject({ body: [0, {}] });
    view.commit(begun, 'done');
    expect(view.begin(A, session, 1)).toMatchObject({ verdict: 'replay' });
    view.register(B);
    expect(view.begin(A, session, 2)).toMatchObject({ verdict: 'evicted' });
    await h.checkTables(engine);
  });

  test('what another view began may be finished by this one', async () => {
    const { engine, view, session } = await start({ shards });
    const other = engine.view();
    other.commit(execute(view.begin(A, session, 1)), 'by the other');
    expect(view.begin(A, session, 1)).toMatchObject({ reply: { body: 'by the other' } });
    other.abort(execute(view.begin(A, session, 2)));
    // Finished too: an engine that stops waits for what has begun.
    other.abort(execute(other.begin(A, session, 2)));
  });

  test('a commit by another view counts as activity now, not when the request began', async () => {
    const { engine, view, session } = await start({ shards, ttlMs: 250 });
    const other = engine.view();
    const begun = execute(view.begin(A, session, 1));
    await h.clockPast(300);
    other.commit(begun, 'late');
    expect(other.begin(A, session, 1)).toMatchObject({ verdict: 'replay' });
  });

  test('a ticket of a session that ended never reaches the next one in its slot', async () => {
    const { engine, view, session } = await start({ shards, sessionsMax: 1 });
    const begun = execute(view.begin(A, session, 1));
    view.abort(begun);
    view.close(A);
    const again = view.register(A);
    const next = execute(view.begin(A, again.session, 1));
    expect(h.thrown(() => view.commit(begun, 'stale'))).toMatchObject({ code: 'not_begun' });
    expect(h.thrown(() => view.abort(begun))).toMatchObject({ code: 'not_begun' });
    await h.checkTables(engine);
    view.abort(next);
  });

  test('an aborted ticket does not commit what was begun with that number after it', async () => {
    const { view, session } = await start({ shards });
    const aborted = execute(view.begin(A, session, 1, 7, 'first try'));
    view.abort(aborted);
    const second = execute(view.begin(A, session, 1, 7, 'second try'));
    expect(h.thrown(() => view.commit(aborted, 'stale'))).toMatchObject({ code: 'not_begun' });
    view.commit(second, 'right');
    expect(view.begin(A, session, 1, 7, 'second try')).toMatchObject({ reply: { body: 'right' } });
  });
});

describe('others who ask for a request between begin and commit', () => {
  test('an embedded caller gets the reply when it is committed', async () => {
    const { engine, view, session } = await start();
    const begun = execute(view.begin(A, session, 1, 0, 'body'));
    const asked = engine.request(A, session, 1, 'echo', 'body');
    view.commit(begun, 'committed');
    expect(await h.success(asked)).toMatchObject({ body: 'committed', status: 'ok' });
  });

  test('an embedded caller is told when it is aborted', async () => {
    const { engine, view, session } = await start();
    const begun = execute(view.begin(A, session, 1, 0, 'body'));
    const asked = engine.request(A, session, 1, 'echo', 'body');
    view.abort(begun);
    expect(await h.failure(asked)).toMatchObject({ name: 'RefusedError' });
    view.abort(execute(view.begin(A, session, 1)));
  });

  test('a TCP client gets the reply when it is committed, whoever else asks', async () => {
    const server = await serve({ shards: 0, port: 0 });
    const connection = await connect({ port: server.address.port });
    try {
      const client = await connection.session({ id: A });
      const view = server.engine.view();
      const begun = execute(view.begin(A, client.session, 1, 0, 'body'));
      const asked = client.request('echo', 'body');
      await connection.ping();
      expect(view.begin(A, client.session, 1, 0, 'body')).toEqual({ verdict: 'in_flight' });
      view.commit(begun, 'committed');
      expect(await h.success(asked)).toBe('committed');
    } finally {
      await connection.close();
      await server.stop();
    }
  });
});

test('begin of an expired session tells the service and pushes its end at once', async () => {
  const told: string[] = [];
  const service = {
    name: 'hooks',
    portable: true,
    operations: {},
    ended: ({ id }: { id: string }, reason: string) => told.push(`${id} ${reason}`),
  };
  const engine = await h.startEngine({ shards: 0, service });
  const view: EngineView = engine.view();
  const one = view.register(A, { ttlMs: 1 });
  const two = view.register(B, { ttlMs: 1 });
  await h.clockPast(5);
  expect(view.begin(A, one.session, 1)).toEqual({ verdict: 'evicted', reason: 'expired' });
  expect(view.begin(B, two.session, 1)).toEqual({ verdict: 'evicted', reason: 'expired' });
  view.register(h.id(3));
  expect(told).toEqual([`${A} expired`, `${B} expired`]);
});
