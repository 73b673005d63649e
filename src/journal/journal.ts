/**
 * The journal of an engine: opens a data directory, brings the sessions back, and leaves each
 * shard a log to append to.
 *
 * The manifest's generation is the set of segments that counts. Where shards are as many as before
 * the logs go on in new segments. Otherwise, or when the most recent sessions must do because
 * fewer are allowed, the survivors are written anew under the next generation, which the manifest
 * then names in one step.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { join } from 'node:path';
import { createArena } from '../core/arena.ts';
import { CorruptLogError, SessileError } from '../core/errors.ts';
import { Header, Row, RowFlag } from '../core/layout.ts';
import { createLedger, shardSlots } from '../core/ledger.ts';
import { END_ID_WORDS } from '../core/log-entry.ts';
import { LogReplay } from '../core/log-replay.ts';
import { SessionTable } from '../core/session-table.ts';
import {
  listSegments,
  type Manifest,
  readManifest,
  removeLeftovers,
  type SegmentName,
  writeManifest,
} from './directory.ts';
import type { Disk } from './disk.ts';
import { createSegment, FileLog, type FileLogConfig } from './file-log.ts';
import { FORMAT_VERSION, SEGMENT_HEADER_BYTES } from './format.ts';
import { notedTail, noteTail } from './log-notes.ts';
import { LogWriter } from './log-writer.ts';
import { readSegment, type SegmentContent } from './segment-reader.ts';

/** Above the number of any segment. */
const EVERY_SEGMENT = 2 ** 31 - 1;

/** What a journal is opened for. */
export interface JournalConfig {
  readonly folder: string;
  readonly shards: number;
  readonly sessionsMax: number;
  readonly segmentBytesMax: number;
  /** Whether a batch is done only when it is on disk. */
  readonly syncs: boolean;
}

/** What the clocks say when recovery begins. */
export interface Clocks {
  readonly engineMs: number;
  readonly wallMs: number;
}

/** What recovery found. */
export interface Recovered {
  readonly sessions: number;
  readonly entries: number;
  readonly bytes: number;
  readonly segments: number;
  /** Sessions that ended with the connection they were bound to. */
  readonly disconnected: number;
  /** Sessions that found no place because fewer are allowed than before. */
  readonly evicted: number;
  /** Bytes at the ends of the logs that were no whole block, and were never acknowledged. */
  readonly tornBytes: number;
  /** Commit numbers to come are above this one. */
  readonly commits: number;
}

export class Journal {
  readonly #disk: Disk;
  readonly #config: JournalConfig;
  #manifest: Manifest;
  readonly #isNew: boolean;

  /** Reads the manifest of a folder that the caller has locked, or draws a new one. */
  constructor(disk: Disk, config: JournalConfig) {
    this.#disk = disk;
    this.#config = config;
    const found = readManifest(disk, config.folder);
    this.#isNew = found === undefined;
    this.#manifest = found ?? {
      format: FORMAT_VERSION,
      engine: randomBytes(16).toString('hex'),
      generation: 1,
      shards: config.shards,
      sessionsMax: config.sessionsMax,
      seedA: randomInt(2 ** 32),
      seedB: randomInt(2 ** 32),
    };
    if (found === undefined && holdsEntries(disk, config.folder)) {
      throw new CorruptLogError(`${config.folder} holds segments, and no manifest`, {
        folder: config.folder,
      });
    }
  }

  /** Seeds of the hash, by which sessions are given to shards in this directory. */
  get seeds(): { seedA: number; seedB: number } {
    const { seedA, seedB } = this.#manifest;
    return { seedA, seedB };
  }

  /**
   * Fills new, started tables from the segments, and leaves each of their log buffers a tail to
   * go on from. Throws `CorruptLogError` when what was acknowledged cannot be read, with the file
   * and the offset, and `InvalidOptionError` when it does not fit the limits.
   *
   * @param onProgress called now and then with the part of the bytes that was read, 0 to 1
   */
  recover(
    tables: readonly SessionTable[],
    clocks: Clocks,
    commitsBefore: number,
    onProgress: (part: number) => void,
  ): Recovered {
    const { folder, shards, sessionsMax } = this.#config;
    const { generation } = this.#manifest;
    const reshards = this.#manifest.shards !== shards;
    const isRewritten = reshards || this.#manifest.sessionsMax > sessionsMax;
    const chosen = isRewritten ? this.#chooseSurvivors(tables[0], clocks, onProgress) : undefined;
    const replay = new LogReplay(tables, false, chosen?.survivors);
    const read = this.#replay(replay, clocks, onProgress);
    if (replay.overflow > 0) throw new CorruptLogError('the segments hold too many sessions');
    const disconnected = (chosen?.disconnected ?? 0) + replay.dropConnectionScoped();
    // One shard may have lost the end that made room for a session which another did not lose.
    const evicted = chosen?.evicted ?? replay.keepNewest(sessionsMax);
    const commits = Math.max(commitsBefore, replay.commits);
    const sessions = replay.finish(commits, reshards);
    // Nothing is changed before it is known that all can be read. A new directory has no segments.
    removeLeftovers(this.#disk, folder, this.#isNew ? 0 : generation);
    if (isRewritten) this.#rewrite(tables, clocks);
    else this.#goOn(tables, read.tails, replay, clocks);
    const used = tables.map(({ arena }) => arena.floats[Header.COMMITS / 2]);
    return {
      sessions,
      entries: replay.entries,
      bytes: read.bytes,
      segments: read.segments,
      disconnected,
      evicted,
      tornBytes: read.tornBytes,
      commits: Math.max(...used),
    };
  }

  /** What a log of this journal is about; `blocks` as its thread may wait for the disk or not. */
  logConfig(shard: number, blocks: boolean, generation = this.#manifest.generation): FileLogConfig {
    const { folder, shards, segmentBytesMax, syncs } = this.#config;
    const { engine } = this.#manifest;
    return { folder, engine, generation, shard, shards, segmentBytesMax, syncs, blocks };
  }

  /**
   * When fewer sessions are allowed than the segments may tell of, or other shards would read
   * them: who is left, as rows only, because tables like those of before may not fit beside the
   * new ones. These may hold all that ever lived together; of the new ones only the outcome fits.
   */
  #chooseSurvivors(
    like: SessionTable,
    clocks: Clocks,
    onProgress: (part: number) => void,
  ): { survivors: SessionTable[]; disconnected: number; evicted: number } {
    const { sessionsMax, shards } = this.#manifest;
    const { seedA, seedB } = like.arena;
    const slots = shardSlots(sessionsMax, shards);
    const tables = Array.from({ length: shards }, (_, shard) => {
      const limits = { dataBytesMax: 0, replyBytesMax: 0, ttlDefaultMs: 0 };
      const arena = createArena({ shard, slots, ...limits, seedA, seedB });
      const table = new SessionTable(arena, createLedger(shards, sessionsMax), like.now, 1);
      table.start();
      return table;
    });
    const replay = new LogReplay(tables, true);
    this.#replay(replay, clocks, onProgress);
    const disconnected = replay.dropConnectionScoped();
    const evicted = replay.keepNewest(this.#config.sessionsMax);
    return { survivors: tables, disconnected, evicted };
  }

  #replay(
    replay: LogReplay,
    clocks: Clocks,
    onProgress: (part: number) => void,
  ): { tails: (SegmentContent | undefined)[]; bytes: number; segments: number; tornBytes: number } {
    const { folder } = this.#config;
    const { generation, shards } = this.#manifest;
    const found = this.#isNew ? [] : listSegments(this.#disk, folder);
    const all = found.filter((one) => one.generation === generation);
    const tails: (SegmentContent | undefined)[] = new Array(shards).fill(undefined);
    let bytes = 0;
    let tornBytes = 0;
    const now = clocks.wallMs - clocks.engineMs;
    for (const [index, name] of all.entries()) {
      const next = all[index + 1];
      const isLast = next === undefined || next.shard !== name.shard;
      if (name.shard >= shards) throw this.#corrupt(name, 'its shard is not of this generation');
      if (!isLast && next.number !== name.number + 1) {
        throw this.#corrupt(next, `segment ${name.number + 1} before it is missing`);
      }
      const limit = isLast ? Number.POSITIVE_INFINITY : this.#positionOf(next);
      const content = readSegment(
        this.#disk,
        folder,
        name,
        limit,
        (words, floats, at, end, block) => {
          const shiftMs = Math.round(block.wallOffsetMs - now);
          for (let word = at; word < end; ) {
            word += replay.apply(words, floats, word, end, shiftMs, name.number);
          }
        },
      );
      this.#checkContent(content, isLast ? undefined : limit);
      tails[name.shard] = content;
      bytes += content.offset;
      if (isLast) tornBytes += content.tornBytes;
      onProgress((index + 1) / all.length);
    }
    const without = this.#isNew ? -1 : tails.indexOf(undefined);
    if (without >= 0) {
      throw new CorruptLogError(`${folder} holds no segment of shard ${without}`, { folder });
    }
    return { tails, bytes, segments: all.length, tornBytes };
  }

  #positionOf(name: SegmentName): number {
    return readSegment(this.#disk, this.#config.folder, name, 0, () => {}).header.position;
  }

  #checkContent(content: SegmentContent, limit: number | undefined): void {
    const { name, header, offset } = content;
    if (header.engine !== this.#manifest.engine) {
      throw this.#corrupt(name, 'it belongs to another data directory');
    }
    if (content.isDamaged || (limit !== undefined && content.position !== limit)) {
      throw this.#corrupt(name, 'damaged, although what follows was written', offset);
    }
  }

  #corrupt(name: SegmentName, what: string, offset = 0): CorruptLogError {
    const path = join(this.#config.folder, name.name);
    return new CorruptLogError(`${path} at offset ${offset}: ${what}`, { path, offset });
  }

  /** The logs go on where they end, each in a new segment, with the ends of those taken out. */
  #goOn(
    tables: readonly SessionTable[],
    tails: (SegmentContent | undefined)[],
    { takenOut }: LogReplay,
    clocks: Clocks,
  ): void {
    for (const [shard, table] of tables.entries()) {
      const tail = tails[shard];
      if (tail !== undefined) makeSafe(this.#disk, this.#config.folder, tail);
      const number = (tail?.name.number ?? 0) + 1;
      const position = tail?.position ?? 0;
      const config = this.logConfig(shard, true);
      this.#disk.close(createSegment(this.#disk, config, number, position).file);
      const { reasons } = takenOut[shard];
      const ids = Int32Array.from(takenOut[shard].ids);
      begin(table, number);
      if (reasons.length === 0) continue;
      this.#write(table, config, clocks, reasons.length, (index) => {
        table.log!.endedBefore(ids, index * END_ID_WORDS, reasons[index]);
      });
    }
    const { sessionsMax, folder } = this.#config;
    if (!this.#isNew && sessionsMax === this.#manifest.sessionsMax) return;
    this.#manifest = { ...this.#manifest, sessionsMax };
    writeManifest(this.#disk, folder, this.#manifest);
  }

  /** Writes all sessions as a generation of their own, and then has that count. */
  #rewrite(tables: readonly SessionTable[], clocks: Clocks): void {
    const { shards, sessionsMax, folder } = this.#config;
    const manifest = this.#manifest;
    const generation = manifest.generation + 1;
    for (const [shard, table] of tables.entries()) {
      const config = this.logConfig(shard, true, generation);
      this.#disk.close(createSegment(this.#disk, config, 1, 0).file);
      const { words } = table.arena;
      begin(table, 1);
      this.#write(table, config, clocks, words[Header.HIGH_WATER], (slot) => {
        const isLive = (words[table.rowOf(slot) + Row.FLAGS] & RowFlag.LIVE) !== 0;
        if (isLive) table.log!.rewrite(slot, EVERY_SEGMENT);
      });
    }
    this.#manifest = { ...manifest, generation, shards, sessionsMax };
    writeManifest(this.#disk, folder, this.#manifest);
    removeLeftovers(this.#disk, folder, generation);
  }

  /** Writes to a log that has begun: `append` appends what there is of each of `count`. */
  #write(
    table: SessionTable,
    config: FileLogConfig,
    clocks: Clocks,
    count: number,
    append: (index: number) => void,
  ): void {
    const sessionLog = table.log!;
    const { buffer } = sessionLog;
    const log = new FileLog(this.#disk, { ...config, syncs: true }, notedTail(buffer));
    let problem: Error | undefined;
    const writer = new LogWriter(buffer, log, {
      wallOffsetMs: () => clocks.wallMs - clocks.engineMs,
      progressed: () => {},
      failed: (error) => {
        problem = error;
      },
    });
    const flush = (): void => {
      buffer.publish();
      writer.pump(0);
      if (problem !== undefined) throw problem;
      if (!buffer.hasEntries()) return;
      throw new SessileError('storage_failed', `${config.folder} has no room for the sessions`, {
        folder: config.folder,
      });
    };
    try {
      for (let index = 0; index < count; index++) {
        if (!sessionLog.hasRoom()) flush();
        append(index);
      }
      if (!sessionLog.hasRoom()) flush();
      sessionLog.counted();
      flush();
    } finally {
      log.close();
    }
  }
}

/** The log of a table goes on in a segment that is empty. */
function begin(table: SessionTable, segment: number): void {
  const { buffer } = table.log!;
  noteTail(buffer, { segment, offset: SEGMENT_HEADER_BYTES });
  buffer.segment = segment;
}

/**
 * Whether there is a segment with more than a header. Nothing is appended before there is a
 * manifest, so others were left by a first start that did not come so far.
 */
function holdsEntries(disk: Disk, folder: string): boolean {
  return listSegments(disk, folder).some(({ name }) => {
    const file = disk.open(join(folder, name), false);
    const size = disk.size(file);
    disk.close(file);
    return size > SEGMENT_HEADER_BYTES;
  });
}

/**
 * Has a log that a process left behind on disk up to its end. What was not known to be synced is
 * written again first: if that process saw a sync fail, the system may hold bytes that it does not
 * mean to write any more.
 */
function makeSafe(disk: Disk, folder: string, tail: SegmentContent): void {
  const file = disk.open(join(folder, tail.name.name), false);
  try {
    const behind = Math.max(0, tail.synced - tail.header.position);
    const bytes = Buffer.alloc(1024 * 1024);
    for (let at = SEGMENT_HEADER_BYTES + behind; at < tail.offset; ) {
      const length = disk.read(file, bytes, 0, Math.min(bytes.byteLength, tail.offset - at), at);
      if (length <= 0) break;
      for (let done = 0; done < length; ) {
        done += disk.write(file, bytes, done, length - done, at + done);
      }
      at += length;
    }
    disk.sync(file);
  } finally {
    disk.close(file);
  }
}
