/**
 * The lock of a data directory: held by one process at a time, and gone with it however it ends.
 *
 * Node cannot lock files, so flock(1) does it on a descriptor that it inherits: such a lock belongs
 * to the open file, and stays while this process keeps that open.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { SessileError } from '../core/errors.ts';

const LOCK = 'lock';
/** flock says so when somebody else has it. */
const EXIT_LOCKED = 1;
/** The number under which flock finds the file: the first after the standard ones. */
const CHILD_DESCRIPTOR = 3;

/** Locks a folder; the function that is returned lets it go. Throws `SessileError`. */
export function lockFolder(folder: string): () => void {
  const path = join(folder, LOCK);
  const file = openSync(path, 'a', 0o600);
  const { status, error } = spawnSync('flock', ['-x', '-n', String(CHILD_DESCRIPTOR)], {
    stdio: ['ignore', 'ignore', 'ignore', file],
  });
  if (status === 0) return () => closeSync(file);
  closeSync(file);
  if (status === EXIT_LOCKED) {
    throw new SessileError('storage_locked', `another process uses ${folder}: stop it first`, {
      folder,
    });
  }
  const why = error?.message ?? `it ended with ${status}`;
  throw new SessileError('storage_locked', `cannot lock ${folder} with flock(1): ${why}`, {
    folder,
  });
}
