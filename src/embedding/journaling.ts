/**
 * Opens the journal of an engine: locks its directory, brings the sessions back into new tables,
 * and says with which settings the engine's threads go on.
 */
import { dirname } from 'node:path';
import { Arena } from '../core/arena.ts';
import { Ledger } from '../core/ledger.ts';
import { SessionTable } from '../core/session-table.ts';
import { nodeDisk } from '../journal/disk.ts';
import { Journal, type Recovered } from '../journal/journal.ts';
import { lockFolder } from '../journal/lock.ts';
import { Clock } from '../workers/clock.ts';
import {
  createShardMemory,
  logBufferOf,
  type ShardingConfig,
  type ShardMemory,
} from '../workers/shard-memory.ts';

/** How sessions are kept on disk, checked. */
export interface JournalOptions {
  readonly folder: string;
  readonly syncs: boolean;
  readonly intervalMs: number;
  readonly segmentBytesMax: number;
}

/** What recovery brought back, and how long it took. */
export interface Recovery extends Recovered {
  readonly folder: string;
  readonly durationMs: number;
}

export interface StartedMemory {
  readonly memory: ShardMemory;
  readonly recovery: Recovery | undefined;
  /** Lets go of the data directory. */
  readonly unlock: () => void;
}

/** Reserves an engine's memory and starts its tables, empty: sessions are not kept on disk. */
export function startMemory(
  sharding: ShardingConfig,
  frontEnds: number,
  mayPromise: boolean,
): StartedMemory {
  const memory = createShardMemory(sharding, frontEnds, mayPromise);
  startTables(memory);
  return { memory, recovery: undefined, unlock: () => {} };
}

/**
 * The same with a journal. Throws `SessileError`: `storage_locked`, `storage_corrupt`,
 * `storage_format`, or what the system says about the directory.
 */
export function startJournaled(
  sharding: ShardingConfig,
  options: JournalOptions,
  frontEnds: number,
  mayPromise: boolean,
  onProgress: (part: number) => void,
): StartedMemory {
  const started = performance.now();
  const { folder, syncs, segmentBytesMax } = options;
  nodeDisk.makeFolder(folder);
  nodeDisk.syncFolder(dirname(folder));
  const unlock = lockFolder(folder);
  try {
    const shards = Math.max(1, sharding.shards);
    const { sessionsMax, commitsBefore } = sharding;
    const config = { folder, shards, sessionsMax, segmentBytesMax, syncs };
    const journal = new Journal(nodeDisk, config);
    const settings = { ...options, engine: '', generation: 0, wallOffsetMs: 0 };
    const wanted = { ...sharding, ...journal.seeds, journal: settings };
    const memory = createShardMemory(wanted, frontEnds, mayPromise);
    const { tables, clock } = startTables(memory);
    const clocks = { engineMs: clock.cell[0], wallMs: Date.now() };
    const wallOffsetMs = clocks.wallMs - clocks.engineMs;
    const recovered = journal.recover(tables, clocks, commitsBefore, onProgress);
    const { engine, generation } = journal.logConfig(0, false);
    return {
      memory: {
        ...memory,
        config: {
          ...memory.config,
          commitsBefore: recovered.commits,
          journal: { ...settings, engine, generation, wallOffsetMs },
        },
      },
      recovery: { ...recovered, folder, durationMs: performance.now() - started },
      unlock,
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

function startTables(memory: ShardMemory): { tables: SessionTable[]; clock: Clock } {
  const ledger = new Ledger(memory.ledger);
  // The wheels turn from now on: one that began at 0 would seem to lag by the machine's uptime.
  const clock = new Clock();
  clock.read();
  const tables = memory.arenas.map((arena, shard) => {
    const buffer = logBufferOf(memory, shard);
    const table = new SessionTable(new Arena(arena), ledger, clock.cell, 1, buffer);
    table.start();
    return table;
  });
  return { tables, clock };
}
