/**
 * `npm run bench:recovery`: how long a server takes to bring sessions back from its data directory,
 * from the start of its process to the line that it listens. See bench/README.md.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Engine } from '../dist/index.js';
import { machine, markdownTable, writeResults } from './lib/report.ts';
import { median, summarize } from './lib/stats.ts';
import { startServer, stopAll } from './load/children.ts';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const PAYLOAD_BYTES = 100;
/** What a session's data and reply may take: memory of that size is touched for each of them. */
const LIMIT_BYTES = 256;
const READY = /listening on .*\n.*?(\d+) recovered from (\d+) bytes in (\d+) ms/;

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
  },
});
const sessions = Number(values.sessions);
const rounds = Number(values.rounds);
const folder = mkdtempSync(join(tmpdir(), 'sessile-recovery-'));

try {
  await fill();
  const before = diskBytes();
  const starts: number[] = [];
  const recoveries: number[] = [];
  for (let round = 0; round < rounds; round++) {
    dropCaches();
    const { startMs, recoveryMs } = await start();
    starts.push(startMs);
    recoveries.push(recoveryMs);
  }
  print(before, starts, recoveries);
  writeResults('recovery', { versions: {}, sessions, rounds, bytes: before, starts, recoveries });
} finally {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}

/** Sessions with some data and a stored reply each, registered and written in turn. */
async function fill(): Promise<void> {
  const limits = { dataBytesMax: LIMIT_BYTES, replyBytesMax: LIMIT_BYTES, sessionsMax: sessions };
  const options = { shards: 1, ttlMs: null, dataDir: folder, durability: 'off' } as const;
  const engine = await Engine.start({ ...limits, ...options });
  const view = engine.view();
  const value = Buffer.alloc(PAYLOAD_BYTES, 'x');
  const id = Buffer.alloc(16, 's');
  for (let i = 0; i < sessions; i++) {
    id.writeUInt32BE(i);
    const { session } = view.register(id);
    view.request(id, session, 1, 'put', { value });
  }
  view.release();
  await engine.stop();
}

async function start(): Promise<{ startMs: number; recoveryMs: number }> {
  const began = performance.now();
  const args = [MAIN, 'serve', '--port', '0', '--shards', '1', '--ttl-ms', 'never'];
  const bytes = ['--data-bytes-max', '--reply-bytes-max'].flatMap((o) => [o, `${LIMIT_BYTES}`]);
  const limits = [...bytes, '--sessions-max', String(sessions), '--data-dir', folder];
  const started = await startServer(process.execPath, [...args, ...limits], READY);
  const startMs = performance.now() - began;
  if (Number(started!.match[1]) !== sessions) throw new Error(`only ${started!.match[1]} sessions`);
  await stopAll();
  return { startMs, recoveryMs: Number(started!.match[3]) };
}

/** Has the next start read from the disk, where the system allows it. */
function dropCaches(): void {
  spawnSync('sh', ['-c', 'sync; echo 3 > /proc/sys/vm/drop_caches'], { stdio: 'ignore' });
}

function diskBytes(): number {
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
  return sizes.reduce((sum, size) => sum + size, 0);
}

function print(bytes: number, starts: number[], recoveries: number[]): void {
  console.log(`${machine()}; median of ${rounds} starts\n`);
  const { min, max } = summarize(starts);
  const ms = (value: number): string => `${Math.round(value)} ms`;
  const header = ['sessions', 'on disk', 'recovery', 'start to listening', 'min–max'];
  const size = `${Math.round(bytes / 2 ** 20)} MiB`;
  const range = `${Math.round(min)}–${Math.round(max)}`;
  const cells = [ms(median(recoveries)), ms(median(starts)), range];
  console.log(markdownTable(header, [[String(sessions), size, ...cells]]));
}
