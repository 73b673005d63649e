/**
 * `npm run bench:recovery`: how long a server takes to bring sessions back from its data directory,
 * from the start of its process to the line that it listens. See bench/README.md.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Engine } from '../dist/index.js';
import { finish, whole } from './lib/arguments.ts';
import { machine, markdownTable, writeResults } from './lib/report.ts';
import { ourRow } from './lib/summary.ts';
import { startServer, stopAll } from './load/children.ts';
import { makeFolder } from './load/places.ts';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const PAYLOAD_BYTES = 100;
/** What a session's data and reply may take: memory of that size is touched for each of them. */
const LIMIT_BYTES = 256;
const READY = /listening on .*\n.*?(\d+) recovered from (\d+) bytes in (\d+) ms/;

/** The budget speaks of a million. */
const BUDGET_SESSIONS = 1_000_000;
const QUICK_SESSIONS = 50_000;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    sessions: { type: 'string' },
    rounds: { type: 'string' },
  },
});
const folder = makeFolder();

await finish('bench:recovery', main, stopAll);

async function main(): Promise<void> {
  const { quick } = values;
  const fallback = quick ? QUICK_SESSIONS : BUDGET_SESSIONS;
  const sessions = whole('sessions', values.sessions ?? String(fallback));
  const rounds = whole('rounds', values.rounds ?? (quick ? '2' : '5'));
  await fill(sessions);
  const bytes = diskBytes();
  const starts: number[] = [];
  const recoveries: number[] = [];
  for (let round = 0; round < rounds; round++) {
    dropCaches();
    const { startMs, recoveryMs } = await start(sessions);
    starts.push(startMs);
    recoveries.push(recoveryMs);
  }
  const count = `${sessions.toLocaleString('en')} sessions`;
  const budget = sessions === BUDGET_SESSIONS ? 'recovery' : undefined;
  const summary = [
    ourRow(`recovery of ${count}`, 'ms', recoveries, budget),
    ourRow(`start to listening with ${count}`, 'ms', starts),
    ourRow(`on disk, ${count}`, 'bytes', [bytes]),
  ];
  console.log(`${machine()}; median of ${rounds} starts\n`);
  const rows = summary.map(({ what, figure, unit, min, max }) => {
    const range = `${Math.round(min)}–${Math.round(max)}`;
    return [what, Math.round(figure).toLocaleString('en'), range, unit];
  });
  console.log(markdownTable(['what', 'median', 'min–max', 'unit'], rows));
  writeResults('recovery', { versions: {}, summary, sessions, rounds });
}

/** Sessions with some data and a stored reply each, registered and written in turn. */
async function fill(sessions: number): Promise<void> {
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

async function start(sessions: number): Promise<{ startMs: number; recoveryMs: number }> {
  const began = performance.now();
  const args = [
    MAIN,
    'serve',
    '--port',
    '0',
    '--shards',
    '1',
    '--ttl-ms',
    'never',
    '--log-level',
    'warn',
  ];
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
