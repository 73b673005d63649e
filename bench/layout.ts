/**
 * `npm run bench:layout`: the memory of a session beyond its data and its stored reply, by the
 * arenas that shards are made of. Nothing is timed, so one round says all; see bench/README.md.
 */
import { parseArgs } from 'node:util';
import { createArena } from '../dist/core/arena.js';
import { NOTES_WORDS } from '../dist/core/layout.js';
import { finish } from './lib/arguments.ts';
import { machine, markdownTable, writeResults } from './lib/report.ts';
import { ourRow } from './lib/summary.ts';

/** Sessions of a shard. Its index and its memory of ended sessions are powers of two. */
const SIZES = [10_000, 100_000, 1_000_000, 4_000_000];

/** The size that the budget is read at: where powers of two and fixed parts weigh little. */
const BUDGET_SIZE = 1_000_000;

/** Payloads do not count, so any size of them will do. */
const PAYLOAD_BYTES = 64;

// Every part takes these; there is nothing here to shorten or to repeat.
parseArgs({
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string', default: '1' } },
});

await finish('bench:layout', main, async () => {});

async function main(): Promise<void> {
  const sizes = SIZES.map((sessions) => {
    const withLog = bytesBeyondPayloads(sessions);
    return { sessions, withLog, withoutLog: withLog - NOTES_WORDS * 4 };
  });
  const summary = sizes.flatMap(({ sessions, withLog, withoutLog }) => {
    const what = `memory of a session beyond payloads, ${sessions.toLocaleString('en')} in a shard`;
    const budget = sessions === BUDGET_SIZE ? 'bytes-per-session' : undefined;
    return [
      ourRow(`${what}, with a log`, 'bytes', [withLog], budget),
      ourRow(`${what}, in memory only`, 'bytes', [withoutLog]),
    ];
  });
  console.log(`${machine()}; bytes of a session beyond its payloads\n`);
  const rows = sizes.map(({ sessions, withLog, withoutLog }) => [
    sessions.toLocaleString('en'),
    withLog.toFixed(1),
    withoutLog.toFixed(1),
  ]);
  console.log(markdownTable(['sessions in a shard', 'with a log', 'in memory only'], rows));
  writeResults('layout', { versions: {}, summary, sizes });
}

/** All of an arena that is not payload, its header and staging too, over its sessions. */
function bytesBeyondPayloads(slots: number): number {
  const { regions, memory } = createArena({
    shard: 0,
    slots,
    dataBytesMax: PAYLOAD_BYTES,
    replyBytesMax: PAYLOAD_BYTES,
    ttlDefaultMs: 0,
    seedA: 0,
    seedB: 0,
  });
  return memory.byteLength / slots - regions.payloadWords * 4;
}
