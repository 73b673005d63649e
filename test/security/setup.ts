/** A server that asks for tokens, and clients that bear them, for the tests of one file. */
import { afterEach } from 'vitest';
import { type RunningServer, type ServeOptions, serve } from '../../dist/serve.js';
import { type Frame, HELLO, RawClient, WELCOME } from '../transport/raw-client.ts';
import { fileWith } from './files.ts';

export const BILLING = 'a-token-of-billing-1';
export const SHIPPING = 'a-token-of-shipping-1';
export const OPS = 'a-token-of-operators';
export const BOTH = 'a-token-of-everything';

export const LIST = [
  `${BILLING} billing`,
  `${BILLING}-other billing`,
  `${SHIPPING} shipping client`,
  `${OPS} ops operator`,
  `${BOTH} both client,operator`,
].join('\n');

const servers: RunningServer[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

export async function start(options: ServeOptions = {}): Promise<RunningServer> {
  const quiet = { onNotice: () => {} };
  const server = await serve({ port: 0, shards: 0, sessionsMax: 500, ...quiet, ...options });
  servers.push(server);
  return server;
}

/** With a list of tokens, unless the options say otherwise. */
export function startGuarded(options: ServeOptions = {}): Promise<RunningServer> {
  return start({ tokens: fileWith(LIST), ...options });
}

export async function opened(server: RunningServer): Promise<RawClient> {
  const client = await RawClient.open(server);
  clients.push(client);
  return client;
}

/** Says hello with a token; returns the client once it is welcome. */
export async function bearer(server: RunningServer, token: string): Promise<RawClient> {
  const client = await opened(server);
  client.send(HELLO, 1, { token });
  const answer = await client.next();
  if (answer[0] !== WELCOME) throw new Error(`no welcome: ${JSON.stringify(answer)}`);
  return client;
}

/** What the server says to a client that begins with these options, up to the end. */
export async function turnedAway(server: RunningServer, hello: object): Promise<Frame[]> {
  const client = await opened(server);
  client.send(HELLO, 1, hello);
  return client.rest();
}
