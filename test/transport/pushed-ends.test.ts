/** How a client learns that a session expired which another message of its own finds so. */
import { expect, it, onTestFinished } from 'vitest';
import { serve } from '../../dist/serve.js';
import { ECHO, EVICTION, idOf, RawClient, REGISTER, REQUEST } from './raw-client.ts';

const ID = idOf(1);

it.each([0, 1])('with %i shards, a message of an older session tells of the end', async (n) => {
  const server = await serve({ port: 0, shards: n, sessionsMax: 10 });
  onTestFinished(() => server.stop());
  const client = await RawClient.greeted(server);
  client.send(REGISTER, ID, { ttl_ms: 20 });
  const session = (await client.next())[2];
  while ((await server.engine.inspect(ID)) !== null);
  client.send(REQUEST, ID, 1, 1, ECHO, null);
  expect(await client.next()).toEqual([EVICTION, ID, session, 'expired']);
  expect(await client.next()).toEqual([EVICTION, ID, 1, 'no_session']);
});
