/**
 * An engine without threads over a disk of the tests: tables, logs, writers and cleaners of every
 * shard, recovered from what the disk holds. All that happens, happens when a test says so.
 */
import { createArena } from '../../src/core/arena.ts';
import { shardOf } from '../../src/core/hash.ts';
import { createLedger } from '../../src/core/ledger.ts';
import { createLogBuffer, LogBuffer, LogState } from '../../src/core/log-buffer.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import { Cleaner } from '../../src/journal/cleaner.ts';
import { readManifest, writeManifest } from '../../src/journal/directory.ts';
import type { Disk } from '../../src/journal/disk.ts';
import { FileLog } from '../../src/journal/file-log.ts';
import { Journal, type Recovered } from '../../src/journal/journal.ts';
import { notedTail } from '../../src/journal/log-notes.ts';
import { LogWriter } from '../../src/journal/log-writer.ts';
import * as h from '../core/helpers.ts';
import type { FaultyDisk } from './faulty-disk.ts';

export const FOLDER = '/data';

/** The clocks of the world. Each engine counts from an origin of its own. */
export interface World {
  /** True milliseconds. */
  ms: number;
  /** The time of day at 0, which somebody may set. */
  wallMs: number;
}

export const newWorld = (): World => ({ ms: 1_000, wallMs: 1_700_000_000_000 });

export interface RigOptions {
  shards?: number;
  sessionsMax?: number;
  slots?: number;
  dataBytesMax?: number;
  replyBytesMax?: number;
  segmentBytesMax?: number;
  bufferWords?: number;
  syncs?: boolean;
  /** Whether places are given back when ends are on disk. */
  defers?: boolean;
  blocks?: boolean;
  ttlDefaultMs?: number;
  commitsBefore?: number;
  originMs?: number;
}

export interface Shard {
  readonly table: SessionTable;
  readonly buffer: LogBuffer;
  log: FileLog;
  writer: LogWriter;
  cleaner: Cleaner;
}

export class Rig {
  readonly shards: Shard[];
  readonly tables: SessionTable[];
  readonly now = new Float64Array(1);
  readonly journal: Journal;
  readonly recovered: Recovered;
  readonly failures: Error[] = [];
  readonly originMs: number;
  readonly #blocks: boolean;

  /** Opens and recovers. Throws what the journal throws. */
  constructor(
    readonly disk: Disk,
    readonly world: World,
    options: RigOptions = {},
  ) {
    const { shards = 1, sessionsMax = 6, segmentBytesMax = 4096, syncs = true } = options;
    this.originMs = options.originMs ?? 0;
    this.#blocks = options.blocks ?? true;
    this.tick();
    const config = { folder: FOLDER, shards, sessionsMax, segmentBytesMax, syncs };
    this.journal = new Journal(disk, config);
    const { seeds } = this.journal;
    const ledger = createLedger(shards, sessionsMax, options.defers === true);
    this.tables = Array.from({ length: shards }, (_, shard) => {
      const arena = createArena({
        shard,
        slots: options.slots ?? sessionsMax,
        dataBytesMax: options.dataBytesMax ?? 64,
        replyBytesMax: options.replyBytesMax ?? 64,
        ttlDefaultMs: options.ttlDefaultMs ?? 4_000,
        ...seeds,
      });
      const buffer = new LogBuffer(createLogBuffer(options.bufferWords ?? 1024));
      const table = new SessionTable(arena, ledger, this.now, h.RUNNER, buffer);
      table.start();
      return table;
    });
    const clocks = { engineMs: this.now[0], wallMs: this.wallMs };
    const before = options.commitsBefore ?? 0;
    this.recovered = this.journal.recover(this.tables, clocks, before, () => {});
    this.shards = this.tables.map((table) => this.#open(table));
  }

  #open(table: SessionTable): Shard {
    const { buffer } = table.log!;
    const config = this.journal.logConfig(table.arena.shard, this.#blocks);
    const log = new FileLog(this.disk, config, notedTail(buffer));
    const hooks = {
      wallOffsetMs: () => this.wallOffsetMs,
      progressed: () => {},
      failed: (error: Error) => this.failures.push(error),
    };
    const writer = new LogWriter(buffer, log, hooks, table.ledger);
    return { table, buffer, log, writer, cleaner: new Cleaner(table, buffer, log, writer) };
  }

  /** Puts a new writer, log and cleaner in the place of a shard's, as after a worker's death. */
  replaceWriter(shard: Shard): void {
    Object.assign(shard, this.#open(shard.table));
  }

  get wallMs(): number {
    return this.world.wallMs + this.world.ms;
  }

  get wallOffsetMs(): number {
    return this.world.wallMs + this.originMs;
  }

  /** Brings the engine's clock up to the world's. */
  tick(): void {
    this.now[0] = this.world.ms - this.originMs;
  }

  shardOf(id: number): Shard {
    const hash = this.tables[0].hash(...h.idWords(id));
    return this.shards[shardOf(hash, this.shards.length)];
  }

  publish(): void {
    for (const { buffer } of this.shards) buffer.publish();
  }

  pump(): void {
    for (const { writer } of this.shards) writer.pump(this.world.ms);
  }

  /** Cleans one slice where it is wanted; true if it was. */
  clean(): boolean {
    let cleaned = false;
    for (const { buffer, cleaner } of this.shards) {
      if (buffer.state !== LogState.OK || !cleaner.wants()) continue;
      cleaner.step();
      cleaned = true;
    }
    return cleaned;
  }

  /** Writes all that was published. Only with a disk that completes syncs at once. */
  flush(): void {
    this.publish();
    this.pump();
  }

  /** Flushes and cleans until nothing is left to be done. */
  rest(): void {
    this.flush();
    for (let slices = 0; this.clean(); slices++) {
      if (slices > 10_000) throw new Error('the cleaner comes to an end');
      this.flush();
    }
  }

  get logBytes(): number {
    return this.shards.reduce((sum, { log }) => sum + log.bytes, 0);
  }

  /** Bytes of all files of segments, also of those that are kept to be written again. */
  get diskBytes(): number {
    const names = this.disk.list(FOLDER).filter((name) => /^g\d+-s\d+-/.test(name));
    let bytes = 0;
    for (const name of names) {
      const file = this.disk.open(`${FOLDER}/${name}`, false);
      bytes += this.disk.size(file);
      this.disk.close(file);
    }
    return bytes;
  }
}

/** Gives a new directory fixed seeds, so that ids fall into the same shards in each run. */
export function fixSeeds(disk: FaultyDisk): void {
  const manifest = readManifest(disk, FOLDER)!;
  writeManifest(disk, FOLDER, { ...manifest, seedA: 0x1234567, seedB: 0x7654321 });
}
