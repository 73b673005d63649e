/**
 * A server with two clients for tests of bad input: one that a test misuses, new for each test and
 * with a session of its own, and a neighbour who must never notice.
 */
import { encode } from '@msgpack/msgpack';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { type RunningServer, type ServeOptions, serve } from '../../dist/serve.js';
import {
  CLOSE,
  ECHO,
  ERROR,
  framed,
  idOf,
  PING,
  PONG,
  RawClient,
  REPLY,
  REQUEST,
} from './raw-client.ts';

export const BODY_BYTES_MAX = 1_000;
export const FRAME_BYTES_MAX = 2_048;

/** The client that is misused. */
export const ID = idOf(1);
const NEIGHBOUR = idOf(999);

export const frameOf = (...values: readonly unknown[]): Buffer => framed(encode(values));
export const bytesOf = (value: unknown): number[] => [...encode(value)];

/** A value within so many arrays. */
export function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

export interface Setup {
  server: RunningServer;
  client: RawClient;
  /** The session of `client`. */
  session: number;
}

/** Sets up the tests of one describe block. The fields are filled before each of them. */
export function setUp(run: 'direct' | 'worker', options: ServeOptions = {}): Setup {
  const setup = {} as Setup;
  let neighbour: RawClient;
  let session = 0;
  let request = 0;

  beforeAll(async () => {
    const limits = { bodyBytesMax: BODY_BYTES_MAX, frameBytesMax: FRAME_BYTES_MAX };
    setup.server = await serve({
      port: 0,
      shards: 2,
      run,
      sessionsMax: 500,
      ...limits,
      ...options,
    });
    neighbour = await RawClient.greeted(setup.server);
    session = await neighbour.register(NEIGHBOUR);
  });

  afterAll(async () => {
    neighbour.destroy();
    await setup.server.stop();
  });

  beforeEach(async () => {
    setup.client = await RawClient.greeted(setup.server);
    setup.client.send(CLOSE, ID, 0);
    await setup.client.next();
    setup.session = await setup.client.register(ID);
  });

  // Whatever happened on the other connection, this one goes on as if nothing had.
  afterEach(async () => {
    setup.client.destroy();
    request += 1;
    neighbour.send(REQUEST, NEIGHBOUR, session, request, ECHO, { request });
    expect(await neighbour.next()).toEqual([REPLY, NEIGHBOUR, session, request, 0, { request }]);
  });
  return setup;
}

/** The bytes end the connection with one error, after which nothing else is answered. */
export async function expectFatal(
  client: RawClient,
  bytes: Uint8Array,
  code: string,
  message?: string,
): Promise<void> {
  client.raw(bytes);
  client.send(PING, 'too late');
  const [answer, ...more] = await client.rest();
  expect([answer[0], answer[1], ...answer.slice(3)]).toEqual([ERROR, code, null, null, null]);
  if (message !== undefined) expect(answer[2]).toBe(message);
  expect(more).toEqual([]);
}

/** The frame gets this error, and the connection goes on. Returns the error's text. */
export async function expectError(
  client: RawClient,
  bytes: Uint8Array,
  code: string,
  id: Uint8Array | null,
  number: number | null,
  details: unknown = null,
): Promise<string> {
  client.raw(bytes);
  client.send(PING, 'still here');
  const [first, second] = await client.take(2);
  // A shard's worker may answer after the front end does.
  const [error, other] = first[0] === ERROR ? [first, second] : [second, first];
  expect([error[0], error[1], ...error.slice(3)]).toEqual([ERROR, code, id, number, details]);
  expect(other).toEqual([PONG, 'still here']);
  return error[2] as string;
}
