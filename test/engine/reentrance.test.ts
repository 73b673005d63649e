/** A service that uses its own engine, and callers who joined what was then given up. */
import { expect, test } from 'vitest';
import { SessionEvictedError } from '../../dist/core/session-errors.js';
import { Engine } from '../../dist/engine.js';
import type { Service } from '../../dist/services/service.js';
import * as h from './helpers.ts';

test('an operation that calls its own engine changes no other session', async () => {
  const nested: Promise<unknown>[] = [];
  const service: Service = {
    name: 'nested',
    operations: {
      outer: {
        number: 0,
        execute(context) {
          nested.push(engine.call(h.id(2), 'inner', 'from outer'));
          context.setData('outer');
          context.replyWith('outer');
        },
      },
      inner: {
        number: 1,
        unsequenced: true,
        execute(context) {
          context.setData(context.bodyValue());
          context.replyWith(context.id);
        },
      },
      read: {
        number: 2,
        unsequenced: true,
        execute: (context) => context.replyWith(context.dataValue() ?? null),
      },
    },
  };
  const engine: Engine = await Engine.start({ shards: 0, service });
  const { session } = await engine.register(h.id(1));
  await engine.register(h.id(2));
  expect(await engine.request(h.id(1), session, 1, 'outer')).toMatchObject({ body: 'outer' });
  expect(await Promise.all(nested)).toMatchObject([{ body: '00000000000000000000000000000002' }]);
  expect(await engine.call(h.id(1), 'read')).toMatchObject({ body: 'outer' });
  expect(await engine.call(h.id(2), 'read')).toMatchObject({ body: 'from outer' });
  await engine.stop();
});

test('all who joined a request that is given up are told so', async () => {
  const engine = await Engine.start({ shards: 0 });
  const { session } = await engine.register(h.id(1));
  const view = engine.view();
  const begun = view.begin(h.id(1), session, 1, 0, 'same');
  const asked = [1, 2].map(() => engine.request(h.id(1), session, 1, 'echo', 'same'));
  const told = Promise.all(asked.map((one) => one.catch((error: unknown) => error)));
  view.abort(begun);
  expect(await told).toMatchObject([{ code: 'server_busy' }, { code: 'server_busy' }]);
  await engine.stop();
});

test('closing an old session leaves the one that is live alone, and says so', async () => {
  const engine = await Engine.start({ shards: 0 });
  const old = await engine.register(h.id(1));
  await engine.close(h.id(1), old.session);
  const live = await engine.register(h.id(1));
  await expect(engine.close(h.id(1), old.session)).rejects.toBeInstanceOf(SessionEvictedError);
  expect(await engine.register(h.id(1))).toMatchObject({ session: live.session, resumed: true });
  await engine.stop();
});
