/**
 * The two servers under load, each on a free port of the loopback interface.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startServer } from './children.ts';

export interface Target {
  readonly name: 'sessile' | 'redis';
  readonly version: string;
  readonly port: number;
}

export interface SessileOptions {
  readonly version: string;
  readonly run: string;
  /** Folder for CPU profiles, which the server writes when it stops. */
  readonly profile: string | undefined;
  /** As `--durability` says; undefined = in memory only. */
  readonly durability: string | undefined;
}

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export async function startSessile(options: SessileOptions): Promise<Target> {
  const { version, run, profile, durability } = options;
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const journal =
    durability === undefined ? [] : ['--data-dir', folder(), '--durability', durability];
  const args = [...profiling, MAIN, 'serve', '--port', '0', '--run', run, ...journal];
  const started = await startServer(process.execPath, args, /listening on .*:(\d+)\n/);
  return { name: 'sessile', version, port: Number(started!.match[1]) };
}

/** What Redis calls the durability that is closest to one of ours. */
const FSYNC: Readonly<Record<string, string>> = { commit: 'always', off: 'no' };

/** Redis in memory only, or with an append-only file. Undefined when it is not installed. */
export async function startRedis(durability: string | undefined): Promise<Target | undefined> {
  const port = await freePort();
  const where = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder()];
  const file =
    durability === undefined
      ? ['--appendonly', 'no']
      : ['--appendonly', 'yes', '--appendfsync', FSYNC[durability] ?? 'everysec'];
  const memoryOnly = ['--save', '', ...file, '--daemonize', 'no'];
  const ready = /Ready to accept connections/;
  const started = await startServer('redis-server', [...where, ...memoryOnly], ready);
  if (started === undefined) return undefined;
  const text = execFileSync('redis-server', ['--version'], { encoding: 'utf8' });
  return { name: 'redis', version: /v=(\S+)/.exec(text)?.[1] ?? 'unknown', port };
}

/** A folder of its own for a server's files, on the disk of temporary files. */
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'sessile-bench-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address!.port : 0));
    });
  });
}
