/**
 * Makes a damaged data directory one that can be started from, by cutting each damaged log at the
 * damage. What lies behind it is lost: call `planRepair` and show it first.
 */
import { join } from 'node:path';
import type { Disk } from './disk.ts';
import type { Examination, SegmentReport } from './examine.ts';
import { createSegment } from './file-log.ts';

export interface Cut {
  readonly shard: number;
  readonly why: string;
  /** The segment that is cut, and where; at 0 it is removed. */
  readonly name: string;
  readonly offset: number;
  readonly lostBytes: number;
  /** Segments behind it, which are removed whole, the newest first. */
  readonly removed: readonly string[];
  /** States and ends of sessions in those segments. What the cut bytes held is not known. */
  readonly lostEntries: number;
}

/** What a repair would do; empty when the directory is whole. */
export function planRepair(examination: Examination): Cut[] {
  const cuts: Cut[] = [];
  const shards = new Set(examination.segments.map(({ shard }) => shard));
  for (const shard of shards) {
    const log = examination.segments.filter((segment) => segment.shard === shard);
    const at = log.findIndex(({ damage }) => damage !== undefined);
    if (at >= 0) cuts.push(cutOf(log[at], log.slice(at + 1)));
  }
  return cuts;
}

function cutOf(damaged: SegmentReport, behind: readonly SegmentReport[]): Cut {
  const { shard, name, damage } = damaged;
  // Where an entry within a good block is at fault, and where the log before has a gap, nothing of
  // the segment can be told to be right.
  const isReadable = damaged.blocks > 0 && damaged.fileBytes > damaged.offset;
  const offset = isReadable ? damaged.offset : 0;
  return {
    shard,
    why: damage ?? '',
    name,
    offset,
    lostBytes: damaged.fileBytes - offset,
    removed: behind.map((segment) => segment.name).reverse(),
    lostEntries: behind.reduce((sum, { states, ends }) => sum + states + ends, 0),
  };
}

/** What the header of an empty segment does not depend on. */
const EMPTY = { segmentBytesMax: 0, syncs: true, blocks: true };

/** Carries a plan out. Stopped half-way, it can be planned and run again. */
export function repair(
  disk: Disk,
  folder: string,
  { manifest, segments }: Examination,
  cuts: readonly Cut[],
): void {
  const { engine, generation, shards } = manifest;
  for (const { shard, name, offset, removed } of cuts) {
    for (const later of removed) {
      disk.remove(join(folder, later));
      disk.syncFolder(folder);
    }
    const first = segments.find((segment) => segment.shard === shard);
    if (offset === 0 && first?.name === name) {
      // Nothing of the shard is left. A log without any segment would count as one that is missing.
      const log = { folder, engine, generation, shard, shards, ...EMPTY };
      disk.close(createSegment(disk, log, first.number, 0).file);
      continue;
    }
    if (offset === 0) {
      disk.remove(join(folder, name));
      disk.syncFolder(folder);
      continue;
    }
    const file = disk.open(join(folder, name), false);
    disk.truncate(file, offset);
    disk.sync(file);
    disk.close(file);
  }
}
