/**
 * The servers beside ours, each on a free port of the loopback interface. Each is undefined when
 * it is not installed.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startListening, startServer } from './children.ts';
import type { PeerName } from './job.ts';
import { freePort, makeFolder } from './places.ts';
import type { Target } from './servers.ts';

const TARANTOOL_SCRIPT = fileURLToPath(new URL('./tarantool.lua', import.meta.url));

/** What Redis and Tarantool call the durability that is closest to one of ours. */
const APPEND_FSYNC: Readonly<Record<string, string>> = { commit: 'always', off: 'no' };
const WAL_MODE: Readonly<Record<string, string>> = { commit: 'fsync' };

/** Starts a peer; `durability` as our `--durability`, undefined = in memory only. */
export type StartPeer = (durability: string | undefined) => Promise<Target | undefined>;

export const PEERS: Readonly<Record<PeerName, StartPeer>> = {
  redis: startRedis,
  memcached: startMemcached,
  tarantool: startTarantool,
};

async function startRedis(durability: string | undefined): Promise<Target | undefined> {
  const port = await freePort();
  const where = ['--bind', '127.0.0.1', '--port', String(port), '--dir', makeFolder()];
  const file =
    durability === undefined
      ? ['--appendonly', 'no']
      : ['--appendonly', 'yes', '--appendfsync', APPEND_FSYNC[durability] ?? 'everysec'];
  const memoryOnly = ['--save', '', ...file, '--daemonize', 'no'];
  const ready = /Ready to accept connections/;
  const started = await startServer('redis-server', [...where, ...memoryOnly], ready);
  if (started === undefined) return undefined;
  return { name: 'redis', version: versionOf('redis-server', /v=(\S+)/), port };
}

async function startMemcached(): Promise<Target | undefined> {
  const port = await freePort();
  // It refuses to run as root unless it is told to.
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : [];
  const args = ['-l', '127.0.0.1', '-p', String(port), ...user];
  if ((await startListening('memcached', args, port)) === undefined) return undefined;
  return { name: 'memcached', version: versionOf('memcached', /memcached (\S+)/), port };
}

async function startTarantool(durability: string | undefined): Promise<Target | undefined> {
  const port = await freePort();
  const mode = durability === undefined ? 'none' : (WAL_MODE[durability] ?? 'write');
  const args = [TARANTOOL_SCRIPT, String(port), mode, makeFolder()];
  if ((await startServer('tarantool', args, /^ready$/m)) === undefined) return undefined;
  return { name: 'tarantool', version: versionOf('tarantool', /Tarantool (\d[\d.]*)/), port };
}

function versionOf(command: string, pattern: RegExp): string {
  const text = execFileSync(command, ['--version'], { encoding: 'utf8' });
  return pattern.exec(text)?.[1] ?? 'unknown';
}
