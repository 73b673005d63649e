/**
 * A disk in memory, and one process's life over a data directory on it: tables, their logs, and
 * what is written when. What is not flushed is lost with the process.
 */
import { basename, dirname } from 'node:path';
import { createArena } from '../../src/core/arena.ts';
import { createLedger, type Ledger, shardSlots } from '../../src/core/ledger.ts';
import { createLogBuffer, LogBuffer } from '../../src/core/log-buffer.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import { Cleaner } from '../../src/journal/cleaner.ts';
import type { Disk } from '../../src/journal/disk.ts';
import { FileLog } from '../../src/journal/file-log.ts';
import { Journal, type Recovered } from '../../src/journal/journal.ts';
import { notedTail } from '../../src/journal/log-notes.ts';
import { LogWriter } from '../../src/journal/log-writer.ts';

export const FOLDER = '/data';
const BUFFER_WORDS = 2 ** 12;

interface OpenFile {
  readonly path: string;
  readonly content: { bytes: Buffer };
}

/** Files in memory. `failing` names the calls that fail from now on, with what they throw. */
export class MemoryDisk implements Disk {
  readonly files = new Map<string, { bytes: Buffer }>();
  readonly opened = new Map<number, OpenFile>();
  readonly later: (() => void)[] = [];
  readonly failing = new Map<keyof Disk, Error>();
  /** Syncs asked for of files that were closed before they began. */
  lost = 0;
  #next = 10;

  open(path: string, isNew: boolean): number {
    const content = isNew ? { bytes: Buffer.alloc(0) } : this.files.get(path);
    if (content === undefined) throw new Error(`no file ${path}`);
    this.files.set(path, content);
    this.#next += 1;
    this.opened.set(this.#next, { path, content });
    return this.#next;
  }

  close(file: number): void {
    if (!this.opened.delete(file)) throw new Error('closed twice');
  }

  size(file: number): number {
    return this.#content(file).bytes.byteLength;
  }

  read(file: number, bytes: Uint8Array, at: number, length: number, position: number): number {
    const from = this.#content(file).bytes.subarray(position, position + length);
    bytes.set(from, at);
    return from.byteLength;
  }

  write(file: number, bytes: Uint8Array, at: number, length: number, position: number): number {
    this.#check('write');
    const content = this.#content(file);
    const end = Math.max(content.bytes.byteLength, position + length);
    const grown = Buffer.alloc(end);
    grown.set(content.bytes);
    grown.set(bytes.subarray(at, at + length), position);
    content.bytes = grown;
    return length;
  }

  truncate(file: number, length: number): void {
    const content = this.#content(file);
    content.bytes = content.bytes.subarray(0, length);
  }

  sync(file: number): void {
    this.#content(file);
    this.#check('sync');
  }

  writeLater(
    file: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    position: number,
    done: (error: Error | null, written: number) => void,
  ): void {
    let written = 0;
    try {
      written = this.write(file, bytes, at, length, position);
    } catch (error) {
      return done(error as Error, 0);
    }
    done(null, written);
  }

  syncLater(file: number, done: (error: Error | null) => void): void {
    this.later.push(() => {
      const isOpen = this.opened.has(file);
      if (!isOpen) this.lost += 1;
      done(isOpen ? null : new Error('bad file descriptor'));
    });
  }

  list(folder: string): string[] {
    return [...this.files.keys()]
      .filter((path) => dirname(path) === folder)
      .map((p) => basename(p));
  }

  makeFolder(): void {}

  rename(from: string, to: string): void {
    this.#check('rename');
    const content = this.files.get(from);
    if (content === undefined) throw new Error(`no file ${from}`);
    this.files.delete(from);
    this.files.set(to, content);
  }

  remove(path: string): void {
    this.files.delete(path);
  }

  syncFolder(): void {
    this.#check('syncFolder');
  }

  #check(call: keyof Disk): void {
    const error = this.failing.get(call);
    if (error !== undefined) throw error;
  }

  #content(file: number): { bytes: Buffer } {
    const found = this.opened.get(file);
    if (found === undefined) throw new Error('bad file descriptor');
    return found.content;
  }
}

export interface LifeOptions {
  readonly shards?: number;
  readonly sessionsMax?: number;
  readonly commitsBefore?: number;
  readonly segmentBytesMax?: number;
  readonly engineMs?: number;
  readonly wallMs?: number;
}

/** One process's life: recovers at once. */
export class Life {
  readonly now = new Float64Array(1);
  readonly ledger: Ledger;
  readonly tables: SessionTable[];
  readonly recovered: Recovered;
  readonly cleaners: Cleaner[] = [];
  readonly #writers: LogWriter[] = [];
  /** The wall clock less the engine's. */
  wallOffsetMs: number;

  constructor(disk: Disk, options: LifeOptions = {}) {
    const { shards = 1, sessionsMax = 4, segmentBytesMax = 2 ** 20 } = options;
    this.now[0] = options.engineMs ?? 1_000;
    const wallMs = options.wallMs ?? 1_000_000;
    this.wallOffsetMs = wallMs - this.now[0];
    this.ledger = createLedger(shards, sessionsMax);
    const config = { folder: FOLDER, shards, sessionsMax, segmentBytesMax, syncs: true };
    const journal = new Journal(disk, config);
    const slots = shardSlots(sessionsMax, shards);
    this.tables = Array.from({ length: shards }, (_, shard) => {
      const payloads = { dataBytesMax: 64, replyBytesMax: 64, ttlDefaultMs: 60_000 };
      const arena = createArena({ shard, slots, ...payloads, ...journal.seeds });
      const buffer = new LogBuffer(createLogBuffer(BUFFER_WORDS));
      const table = new SessionTable(arena, this.ledger, this.now, 1, buffer);
      table.start();
      return table;
    });
    const clocks = { engineMs: this.now[0], wallMs };
    const { commitsBefore = 0 } = options;
    this.recovered = journal.recover(this.tables, clocks, commitsBefore, () => {});
    for (const [shard, table] of this.tables.entries()) {
      const { buffer } = table.log!;
      const log = new FileLog(disk, journal.logConfig(shard, true), notedTail(buffer));
      const writer = new LogWriter(buffer, log, {
        wallOffsetMs: () => this.wallOffsetMs,
        progressed: () => {},
        failed: (error) => {
          throw error;
        },
      });
      this.#writers.push(writer);
      this.cleaners.push(new Cleaner(table, buffer, log, writer));
    }
  }

  /** Has what a shard logged on disk. */
  flush(shard: number): void {
    this.tables[shard].log?.buffer.publish();
    this.#writers[shard].pump(0);
  }
}
