/**
 * Looks at a data directory without changing it: its segments, what they hold, and whether they
 * are whole.
 */
import { join } from 'node:path';
import { CorruptLogError } from '../core/errors.ts';
import { EndEntry, Entry, EntryKind } from '../core/log-entry.ts';
import { listSegments, type Manifest, readManifest, type SegmentName } from './directory.ts';
import type { Disk } from './disk.ts';
import { readSegment } from './segment-reader.ts';

/** One segment, as far as it can be read. */
export interface SegmentReport {
  readonly name: string;
  readonly shard: number;
  readonly number: number;
  readonly fileBytes: number;
  readonly blocks: number;
  /** States of sessions, and ends of sessions, that its good blocks tell of. */
  readonly states: number;
  readonly ends: number;
  /** Where its good blocks end. */
  readonly offset: number;
  /** Bytes behind them of a block that is not whole, and was never acknowledged. */
  readonly restBytes: number;
  /** Why the log cannot be read on from `offset`; undefined when it can. */
  readonly damage: string | undefined;
}

export interface Examination {
  readonly manifest: Manifest;
  readonly segments: readonly SegmentReport[];
  /** Sessions that are live after the last good entry before any damage. */
  readonly sessions: number;
  /** Files of other generations, which a start removes. */
  readonly leftovers: readonly string[];
}

/** Throws `CorruptLogError` when there is no manifest, or none that can be read. */
export function examine(disk: Disk, folder: string): Examination {
  const manifest = readManifest(disk, folder);
  if (manifest === undefined) throw new CorruptLogError(`${folder} holds no sessile.json`);
  const all = listSegments(disk, folder);
  const own = all.filter(({ generation }) => generation === manifest.generation);
  const leftovers = all.filter((one) => !own.includes(one)).map(({ name }) => name);
  const live = new Set<string>();
  const segments: SegmentReport[] = [];
  let broken = -1;
  for (const [index, name] of own.entries()) {
    const next = own[index + 1]?.shard === name.shard ? own[index + 1] : undefined;
    const before = own[index - 1]?.shard === name.shard ? own[index - 1] : undefined;
    const isBehind = broken === name.shard;
    const report = examineSegment(disk, folder, name, { before, next, manifest, isBehind, live });
    if (report.damage !== undefined) broken = name.shard;
    segments.push(report);
  }
  return { manifest, segments, sessions: live.size, leftovers };
}

interface Surroundings {
  readonly before: SegmentName | undefined;
  readonly next: SegmentName | undefined;
  readonly manifest: Manifest;
  /** Behind damage of the same shard, whose entries do not count. */
  readonly isBehind: boolean;
  readonly live: Set<string>;
}

function examineSegment(
  disk: Disk,
  folder: string,
  name: SegmentName,
  around: Surroundings,
): SegmentReport {
  const counts = { states: 0, ends: 0 };
  const { before, next, live } = around;
  const report = { name: name.name, shard: name.shard, number: name.number };
  try {
    const limit = next === undefined ? Number.POSITIVE_INFINITY : positionOf(disk, folder, next);
    const visit = (words: Int32Array, _: Float64Array, at: number, end: number): void => {
      count(words, at, end, counts, around.isBehind ? new Set() : live);
    };
    const content = readSegment(disk, folder, name, limit ?? Number.POSITIVE_INFINITY, visit);
    const { blocks, offset, fileBytes, tornBytes, position, header } = content;
    let damage: string | undefined;
    if (header.engine !== around.manifest.engine) damage = 'it belongs to another data directory';
    else if (before !== undefined && name.number !== before.number + 1) {
      damage = `segment ${before.number + 1} before it is missing`;
    } else if (content.isDamaged || (next !== undefined && position !== limit)) {
      damage = 'what follows was written, but this cannot be read';
    }
    const rest = { offset, restBytes: tornBytes, damage };
    return { ...report, fileBytes, blocks, ...counts, ...rest };
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    const file = disk.open(join(folder, name.name), false);
    const fileBytes = disk.size(file);
    disk.close(file);
    const offset = Number(error.details.offset ?? 0);
    const rest = { offset, restBytes: fileBytes - offset, damage: error.message };
    return { ...report, fileBytes, blocks: 0, ...counts, ...rest };
  }
}

/** Where a segment begins in the log; undefined when its header cannot be read. */
function positionOf(disk: Disk, folder: string, name: SegmentName): number | undefined {
  try {
    return readSegment(disk, folder, name, 0, () => {}).header.position;
  } catch (error) {
    if (error instanceof CorruptLogError) return undefined;
    throw error;
  }
}

function count(
  words: Int32Array,
  at: number,
  end: number,
  counts: { states: number; ends: number },
  live: Set<string>,
): void {
  for (let word = at; word < end; ) {
    const total = words[word];
    const kind = words[word + 1] & EntryKind.MASK;
    const isEntry = kind === EntryKind.STATE || kind === EntryKind.END;
    if (!isEntry || total <= 0 || total > end - word) {
      throw new CorruptLogError('what is no entry lies in a block');
    }
    if (kind === EntryKind.STATE) {
      counts.states += 1;
      live.add(idAt(words, word + Entry.ROW));
    } else {
      counts.ends += 1;
      live.delete(idAt(words, word + EndEntry.ID));
    }
    word += total;
  }
}

function idAt(words: Int32Array, at: number): string {
  return `${words[at]},${words[at + 1]},${words[at + 2]},${words[at + 3]}`;
}
