/** Where places go back when ends are on disk, and what a shard does then that cannot write. */
import { expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.ts';
import { Header } from '../../src/core/layout.ts';
import { Ledger } from '../../src/core/ledger.ts';
import { LogState } from '../../src/core/log-buffer.ts';
import { EvictFlag, Kind } from '../../src/core/message.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import { checkOptions } from '../../src/embedding/options.ts';
import { checkService } from '../../src/services/service.ts';
import { Ran } from '../../src/workers/dispatch.ts';
import { Executions } from '../../src/workers/executions.ts';
import { Executor } from '../../src/workers/executor.ts';
import { Outboxes } from '../../src/workers/outboxes.ts';
import {
  createShardMemory,
  logBufferOf,
  meterOf,
  type ShardMemory,
} from '../../src/workers/shard-memory.ts';
import * as h from '../core/helpers.ts';

function memoryOf(shards: number, syncs?: boolean, onFull?: 'evict'): ShardMemory {
  const { sharding } = checkOptions({ shards, sessionsMax: 4, onFull: onFull ?? 'reject' });
  const rest = { engine: '', generation: 1, segmentBytesMax: 4096, intervalMs: 0, wallOffsetMs: 0 };
  const journal = syncs === undefined ? undefined : { folder: '/data', syncs, ...rest };
  return createShardMemory(journal === undefined ? sharding : { ...sharding, journal }, 1, false);
}

test.each([
  ['several logs that answers wait for', 2, true, true],
  ['one log', 1, true, false],
  ['no worker', 0, true, false],
  ['logs that no answer waits for', 2, false, false],
  ['memory only', 2, undefined, false],
  ['a table that evicts', 2, true, false, 'evict'],
] as const)('with %s', (_, shards, syncs, defers, onFull?) => {
  expect(new Ledger(memoryOf(shards, syncs, onFull).ledger).defers).toBe(defers);
});

test('a shard whose log has no room ends no expired session to make way', () => {
  const memory = memoryOf(2, true);
  const now = Float64Array.of(1_000);
  const buffer = logBufferOf(memory, 0);
  const ledger = new Ledger(memory.ledger);
  const table = new SessionTable(new Arena(memory.arenas[0]), ledger, now, h.RUNNER, buffer);
  table.start();
  for (const id of [1, 2, 3, 4]) h.open(table, id, 100);
  now[0] += 200;
  const checked = checkService({ name: 'none', operations: {}, portable: true });
  const executions = new Executions(1_000, 1_000, 1, () => {});
  const outboxes = new Outboxes(memory, 0, table.log);
  const executor = new Executor(table, checked, outboxes, executions, meterOf(memory, 0));
  const m = h.message(table, { id: 1, kind: Kind.EVICT, flags: EvictFlag.EXPIRED });
  m.limitMs = Number.POSITIVE_INFINITY;
  buffer!.state = LogState.NO_ROOM;
  expect(executor.run(m)).toBe(Ran.NOT_EXPIRED);
  expect(table.arena.words[Header.LIVE]).toBe(4);
  buffer!.state = LogState.OK;
  expect(executor.run(m)).toBe(Ran.EVICTED);
  expect(table.arena.words[Header.LIVE]).toBe(3);
});
