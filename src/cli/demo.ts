/**
 * `sessile demo`: the guarantees, shown with a real server process and real clients.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { SessionEvictedError } from '../core/session-errors.ts';
import { type Connection, connect } from '../transport/client/connection.ts';
import type { Session } from '../transport/client/session.ts';
import { numeric } from './arguments.ts';
import { startLossyProxy } from './lossy-proxy.ts';
import { type ServerProcess, startServerProcess } from './server-process.ts';

const ACCOUNT = fileURLToPath(new URL('../../examples/account.js', import.meta.url));

/** Sessions of the small server: few enough to fill by hand. */
const SESSIONS = 3;
/** The load: enough requests under way to keep server and client busy. */
const LOAD_CONNECTIONS = 4;
const LOAD_SESSIONS = 64;

export function demoCommand(): Command {
  return new Command('demo')
    .description('Show what sessile does, with a real server and real clients.')
    .addOption(numeric('--seconds <count>', 'of load', 3))
    .action(async ({ seconds }: { seconds: number }) => {
      await showGuarantees();
      await showLoad(seconds);
    });
}

async function showGuarantees(): Promise<void> {
  const args = ['--sessions-max', String(SESSIONS), '--shards', '2', '--service', ACCOUNT];
  say(
    `$ sessile serve --port 0 --sessions-max ${SESSIONS} --shards 2 --service examples/account.js`,
  );
  const server = await startServerProcess(args);
  say(`listening on ${server.host}:${server.port}\n`);
  try {
    await depositOnce(server);
    await evictOldest(server);
  } finally {
    const code = await server.stop();
    say(`the server was told to stop and ended with exit code ${code}\n`);
  }
}

/** A retry whose first answer was lost is paid once. */
async function depositOnce(server: ServerProcess): Promise<void> {
  const proxy = await startLossyProxy(server.host, server.port);
  const connection = await connect({ port: proxy.port });
  const ann = await connection.session();
  say(`1. Ann registers: client ${ann.id}, session ${ann.session}`);
  say(`   request 1, deposit 100: ${show(await ann.request('deposit', 100))}`);
  const lost = proxy.loseNextAnswer();
  const retried = ann.request('deposit', 50);
  await lost;
  say('   request 2, deposit  50: executed, but the answer is lost with the connection');
  say(`   Ann reconnects and sends request 2 again; the stored reply: ${show(await retried)}`);
  const balance = await connection.call(ann.id, 'balance');
  say(`   the balance is ${show(balance)}: paid once`);
  expect((balance as { balance: number }).balance === 150, 'a retry must not pay twice');
  await ann.close();
  await connection.close();
  proxy.stop();
}

/** A full table evicts exactly the session that committed longest ago. */
async function evictOldest(server: ServerProcess): Promise<void> {
  const connection = await connect({ port: server.port });
  const names = ['Ben', 'Cleo', 'Dan'];
  const sessions: Session[] = [];
  for (const _ of names) sessions.push(await connection.session());
  say(`\n2. ${names.join(', ')} register: all ${SESSIONS} sessions are in use`);
  await sessions[0].request('deposit', 10);
  say('   Ben deposits 10, so Cleo is now the one who committed longest ago');
  const evicted = new Promise<string>((resolve) => {
    sessions[1].on('state', (state) => resolve(state));
  });
  await connection.session();
  say(`   Eve registers; Cleo is told at once: ${await evicted}`);
  const error = await failure(sessions[1].request('deposit', 1));
  expect(error instanceof SessionEvictedError, 'an evicted client gets a typed error');
  say(`   Cleo's next request fails: ${String(error)}`);
  say(`   Ben goes on:  ${show(await sessions[0].request('deposit', 5))}`);
  say(`   Dan goes on:  ${show(await sessions[2].request('deposit', 7))}\n`);
  await connection.close();
}

async function showLoad(seconds: number): Promise<void> {
  const server = await startServerProcess([]);
  const cores = availableParallelism();
  say(
    `3. ${LOAD_SESSIONS} sessions on ${LOAD_CONNECTIONS} connections, one request each at a time,`,
  );
  say(`   for ${seconds} s, from this one client process (${cores} cores)`);
  try {
    const requests = await load(server, seconds);
    const rate = seconds > 0 ? `: ${Math.round(requests / seconds)} a second` : '';
    say(`   ${requests} requests${rate}`);
    say('   (this client makes objects and promises; bench/ measures the server itself)');
  } finally {
    await server.stop();
  }
}

async function load(server: ServerProcess, seconds: number): Promise<number> {
  const connections: Connection[] = [];
  for (let i = 0; i < LOAD_CONNECTIONS; i++) connections.push(await connect({ port: server.port }));
  const sessions: Session[] = [];
  for (let i = 0; i < LOAD_SESSIONS; i++) {
    sessions.push(await connections[i % LOAD_CONNECTIONS].session());
  }
  const end = performance.now() + seconds * 1000;
  let requests = 0;
  await Promise.all(
    sessions.map(async (session) => {
      for (; performance.now() < end; requests++) await session.request('put', { at: requests });
    }),
  );
  for (const connection of connections) await connection.close();
  return requests;
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return undefined;
}

/** The demo checks what it shows, so that a wrong one fails. */
function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`the demo went wrong: ${what}`);
}

function show(value: unknown): string {
  return JSON.stringify(value);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
