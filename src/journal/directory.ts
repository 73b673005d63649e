/**
 * The files of a data directory, and the one that says which of them count.
 *
 *     sessile.json                          the manifest: which generation, shards and seeds
 *     g000001-s000-00000001.log             a segment: generation, shard, number
 *     g000001-s000-spare.tmp                a segment that was removed, kept to be written again
 *     lock                                  locked while a process has the directory
 *
 * The manifest is replaced as a whole: written beside, synced, renamed, and the folder synced.
 * Files of another generation are what is left of a change of shards that did not finish, or that
 * did: they count for nothing and are removed.
 */
import { join } from 'node:path';
import { CorruptLogError, SessileError } from '../core/errors.ts';
import { SESSIONS_MAX, SHARDS_MAX } from '../core/limits.ts';
import type { Disk } from './disk.ts';
import { FORMAT_VERSION } from './format.ts';

const MANIFEST = 'sessile.json';
const TEMPORARY = '.tmp';
const MANIFEST_BYTES_MAX = 64 * 1024;
/** Above every generation and every segment that there can be, at one a second for 34 years. */
const NUMBER_MAX = 2 ** 30;

export interface Manifest {
  readonly format: number;
  /** 32 hexadecimal digits, drawn when the directory was made. */
  readonly engine: string;
  readonly generation: number;
  readonly shards: number;
  /** The most sessions that the segments of this generation may tell of. */
  readonly sessionsMax: number;
  /** Seeds of the hash by which sessions were given to shards. */
  readonly seedA: number;
  readonly seedB: number;
}

export interface SegmentName {
  readonly generation: number;
  readonly shard: number;
  readonly number: number;
  readonly name: string;
}

export function segmentName(generation: number, shard: number, number: number): string {
  const digits = (value: number, count: number): string => String(value).padStart(count, '0');
  return `g${digits(generation, 6)}-s${digits(shard, 3)}-${digits(number, 8)}.log`;
}

/** The name of the one segment that a log keeps to write again. Gone with the next start. */
export function spareName(generation: number, shard: number): string {
  return segmentName(generation, shard, 0).replace(/\d{8}\.log$/, `spare${TEMPORARY}`);
}

/** The segments in a folder, by shard and number. */
export function listSegments(disk: Disk, folder: string): SegmentName[] {
  const found: SegmentName[] = [];
  for (const name of disk.list(folder)) {
    const match = /^g(\d{6,})-s(\d{3,})-(\d{8,})\.log$/.exec(name);
    if (match === null) continue;
    const [generation, shard, number] = match.slice(1).map(Number);
    // No header holds such a number, so whatever it is, it was not written as a segment.
    if (Math.max(generation, shard, number) > NUMBER_MAX) continue;
    found.push({ generation, shard, number, name });
  }
  return found.sort((a, b) => a.shard - b.shard || a.number - b.number);
}

/** Undefined when the folder has none. Throws when it has one that cannot be used. */
export function readManifest(disk: Disk, folder: string): Manifest | undefined {
  if (!disk.list(folder).includes(MANIFEST)) return undefined;
  const path = join(folder, MANIFEST);
  const file = disk.open(path, false);
  const bytes = Buffer.alloc(MANIFEST_BYTES_MAX);
  const length = disk.read(file, bytes, 0, MANIFEST_BYTES_MAX, 0);
  disk.close(file);
  const manifest = parse(bytes.toString('utf8', 0, length));
  const format = manifest?.format;
  // Another format may say anything else.
  if (Number.isInteger(format) && format !== FORMAT_VERSION) {
    throw new SessileError(
      'storage_format',
      `${path} has format ${format}; this version reads format ${FORMAT_VERSION}`,
      { path, format },
    );
  }
  if (manifest !== undefined && isRight(manifest)) return manifest;
  throw new CorruptLogError(`${path} is no manifest`, { path });
}

function parse(text: string): Manifest | undefined {
  try {
    const parsed = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isRight(m: Manifest): boolean {
  const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) > 0;
  return (
    [m.format, m.generation, m.shards, m.sessionsMax].every(isCount) &&
    [m.seedA, m.seedB].every(Number.isInteger) &&
    m.shards <= SHARDS_MAX &&
    m.sessionsMax <= SESSIONS_MAX &&
    m.generation <= NUMBER_MAX &&
    /^[0-9a-f]{32}$/.test(m.engine)
  );
}

export function writeManifest(disk: Disk, folder: string, manifest: Manifest): void {
  const path = join(folder, MANIFEST);
  const file = disk.open(path + TEMPORARY, true);
  try {
    writeAll(disk, file, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`), 0);
    disk.sync(file);
  } finally {
    disk.close(file);
  }
  disk.rename(path + TEMPORARY, path);
  disk.syncFolder(folder);
}

/** Removes what does not count: unfinished files, and segments of other generations. */
export function removeLeftovers(disk: Disk, folder: string, generation: number): void {
  let removed = false;
  for (const name of disk.list(folder)) {
    if (!name.endsWith(TEMPORARY)) continue;
    disk.remove(join(folder, name));
    removed = true;
  }
  for (const segment of listSegments(disk, folder)) {
    if (segment.generation === generation) continue;
    disk.remove(join(folder, segment.name));
    removed = true;
  }
  if (removed) disk.syncFolder(folder);
}

/** Makes a file under another name and gives it its own once it is on disk. Returns it, open. */
export function createWhole(disk: Disk, folder: string, name: string, bytes: Uint8Array): number {
  const path = join(folder, name);
  const file = disk.open(path + TEMPORARY, true);
  try {
    writeAll(disk, file, bytes, 0);
    disk.sync(file);
    disk.rename(path + TEMPORARY, path);
    disk.syncFolder(folder);
  } catch (error) {
    disk.close(file);
    throw error;
  }
  return file;
}

/**
 * The same from a file of the folder that nobody needs: only its begin is written. A file that is
 * as long as it will be is synced in half the time of one that grows.
 */
export function reuseWhole(
  disk: Disk,
  folder: string,
  old: string,
  name: string,
  bytes: Uint8Array,
): number {
  const file = disk.open(join(folder, old), false);
  try {
    writeAll(disk, file, bytes, 0);
    disk.sync(file);
    disk.rename(join(folder, old), join(folder, name));
    disk.syncFolder(folder);
  } catch (error) {
    disk.close(file);
    throw error;
  }
  return file;
}

/** A write may take less than it was given; each time it takes something, so this ends. */
export function writeAll(disk: Disk, file: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.byteLength; ) {
    const written = disk.write(file, bytes, at, bytes.byteLength - at, position + at);
    if (written <= 0) throw new SessileError('storage_failed', 'the system wrote nothing');
    at += written;
  }
}
