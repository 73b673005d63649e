/**
 * `npm run bench:capacity`: how many sessions one process can have, what each takes, and what work
 * on them costs then. See bench/README.md.
 */
import { freemem } from 'node:os';
import { parseArgs } from 'node:util';
import { Engine } from '../dist/index.js';
import { Clients } from './capacity/clients.ts';
import { bytesNeeded, type SessionBytes, sessionBytes } from './capacity/memory.ts';
import { machine, markdownTable, writeResults } from './lib/report.ts';
import { summarize } from './lib/stats.ts';
import { ourRow, type SummaryRow } from './lib/summary.ts';

const SESSIONS = 16_000_000;
const SESSIONS_QUICK = 1_000_000;
/** The least that a session's data and reply may be given. */
const PAYLOAD_BYTES = 16;

/** Churn comes last: it leaves other sessions than the ones that the others use. */
const WORKS = ['touch', 'request', 'churn'] as const;
type Work = (typeof WORKS)[number];

const { values } = parseArgs({
  options: {
    sessions: { type: 'string' },
    shards: { type: 'string', default: '0' },
    rounds: { type: 'string' },
    operations: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:capacity: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const sessions = whole('sessions', values.sessions ?? (values.quick ? SESSIONS_QUICK : SESSIONS));
  const rounds = whole('rounds', values.rounds ?? (values.quick ? 2 : 3));
  const operations = whole('operations', values.operations ?? (values.quick ? 100_000 : 1_000_000));
  const shards = Number(values.shards);
  const free = freemem();
  if (free < bytesNeeded(sessions)) {
    const [needed, has] = [bytesNeeded(sessions), free].map((bytes) => Math.ceil(bytes / 2 ** 20));
    throw new Error(`${sessions} sessions need ${needed} MiB, and ${has} are free: --sessions <n>`);
  }
  const payload = { dataBytesMax: PAYLOAD_BYTES, replyBytesMax: PAYLOAD_BYTES };
  const engine = await Engine.start({ shards, sessionsMax: sessions, ttlMs: null, ...payload });
  const view = engine.view();
  const clients = new Clients(view, sessions, operations);
  const before = process.memoryUsage.rss();
  const fill = nanosecondsOf(() => clients.fill(), sessions);
  const grown = process.memoryUsage.rss() - before;
  if (engine.sessions !== sessions) throw new Error(`only ${engine.sessions} sessions are live`);
  const bytes = sessionBytes(engine.memory.arenas, sessions, grown);
  const figures = measure(clients, rounds, operations);
  if (engine.sessions !== sessions) throw new Error(`${engine.sessions} sessions after the churn`);
  view.release();
  await engine.stop();
  print(sessions, grown, bytes, fill, figures);
  const summary = summaryOf(sessions, bytes, fill, figures);
  writeResults('capacity', { versions: {}, sessions, shards, rounds, operations, bytes, summary });
}

function measure(clients: Clients, rounds: number, operations: number): Map<Work, number[]> {
  const figures = new Map<Work, number[]>(WORKS.map((work) => [work, []]));
  for (let round = 0; round < rounds; round++) {
    for (const work of WORKS.slice(0, 2)) {
      figures.get(work)?.push(nanosecondsOf(() => clients[work](operations), operations));
    }
  }
  for (let round = 0; round < rounds; round++) {
    figures.get('churn')?.push(nanosecondsOf(() => clients.churn(operations), operations));
  }
  return figures;
}

/** Nanoseconds of one of so many operations. */
function nanosecondsOf(work: () => void, operations: number): number {
  const began = performance.now();
  work();
  return ((performance.now() - began) * 1e6) / operations;
}

function print(
  sessions: number,
  grown: number,
  bytes: SessionBytes,
  fill: number,
  figures: ReadonlyMap<Work, number[]>,
): void {
  console.log(`${machine()}; ${sessions.toLocaleString('en')} sessions in one process\n`);
  const { reserved, payload, resident } = bytes;
  const beyond = (reserved - payload).toFixed(1);
  const grew = `${resident.toFixed(1)}, ${(grown / 2 ** 30).toFixed(2)} GiB in all`;
  const sizes = [
    ['bytes a session, reserved', `${reserved.toFixed(1)}, ${beyond} without data and reply`],
    ['bytes a session, resident', grew],
  ];
  console.log(`${markdownTable(['memory', ''], sizes)}\n`);
  const rows = [...figures].map(([work, values]) => {
    const { median, min, max } = summarize(values);
    return [work, rate(median), median.toFixed(0), `${min.toFixed(0)}–${max.toFixed(0)}`];
  });
  rows.unshift(['fill', rate(fill), fill.toFixed(0), '']);
  console.log(markdownTable(['work', 'a second', 'ns each', 'min–max'], rows));
}

function rate(nanoseconds: number): string {
  return Math.round(1e9 / nanoseconds).toLocaleString('en');
}

function summaryOf(
  sessions: number,
  bytes: SessionBytes,
  fill: number,
  figures: ReadonlyMap<Work, number[]>,
): SummaryRow[] {
  const at = `at ${sessions.toLocaleString('en')} sessions`;
  // A short run shows nothing about the budget.
  const budget = sessions >= SESSIONS ? 'sessions' : undefined;
  return [
    ourRow('sessions in one process', 'sessions', [sessions], budget),
    ourRow(`a session without data and reply, ${at}`, 'bytes', [bytes.reserved - bytes.payload]),
    ourRow(`resident, ${at}`, 'bytes a session', [bytes.resident]),
    ourRow(`fill, ${at}`, 'ns', [fill]),
    ...[...figures].map(([work, values]) => ourRow(`${work}, ${at}`, 'ns', values)),
  ];
}

function whole(option: string, given: string | number): number {
  const value = Number(given);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${option} ${given} is not a positive whole number`);
}
