/**
 * The few things that the journal asks of a file system, so that tests can put one in its place
 * that fails where they like. Every call but those named `Later` has happened when it returns.
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs';

export interface Disk {
  /** Opens a file to be read and written; `isNew` makes it, or empties it. */
  open(path: string, isNew: boolean): number;
  close(file: number): void;
  size(file: number): number;
  /** Bytes read; fewer than asked for at the end of the file. */
  read(file: number, bytes: Uint8Array, at: number, length: number, position: number): number;
  /** Bytes written, perhaps fewer than asked for. */
  write(file: number, bytes: Uint8Array, at: number, length: number, position: number): number;
  /** The same without waiting: `done` is called, once, on this thread. */
  writeLater(
    file: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    position: number,
    done: (error: Error | null, written: number) => void,
  ): void;
  truncate(file: number, length: number): void;
  /** Returns when the file's bytes are on the medium. */
  sync(file: number): void;
  /** The same without waiting: `done` is called, once, on this thread. */
  syncLater(file: number, done: (error: Error | null) => void): void;
  /** Names of the files in a folder. */
  list(folder: string): string[];
  makeFolder(folder: string): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Makes what was created, renamed or removed in a folder last. */
  syncFolder(folder: string): void;
}

/** Files that only the owner may read: sessions and their data lie in them. */
const MODE = 0o600;

export const nodeDisk: Disk = {
  open: (path, isNew) => openSync(path, isNew ? 'w+' : 'r+', MODE),
  close: closeSync,
  size: (file) => fstatSync(file).size,
  read: (file, bytes, at, length, position) => readSync(file, bytes, at, length, position),
  write: (file, bytes, at, length, position) => writeSync(file, bytes, at, length, position),
  writeLater: write,
  truncate: ftruncateSync,
  sync: fdatasyncSync,
  syncLater: fdatasync,
  list: (folder) => readdirSync(folder),
  makeFolder: (folder) => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  },
  rename: renameSync,
  remove: unlinkSync,
  syncFolder: (folder) => {
    const file = openSync(folder, 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  },
};

/** The system's name of an error, such as `ENOSPC`. */
function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/**
 * Whether there may be room later, on the disk or in the table of open files. Nothing was promised
 * to be on disk, so trying again is safe.
 */
export function isNoRoom(error: unknown): boolean {
  return NO_ROOM.includes(codeOf(error));
}

const NO_ROOM: readonly string[] = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'];
