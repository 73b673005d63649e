/**
 * A lock beside the file of a Unix socket: whoever has it alone may replace that file, or take it
 * away. It is gone with its process however that ends, so none is ever left over.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';

/** What flock(1) ends with when somebody else has the lock. */
const EXIT_LOCKED = 1;
/** The first descriptor of the child after the standard ones. */
const CHILD_DESCRIPTOR = 3;
/** Not through a link, which somebody else may have put there. */
const OPEN = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/**
 * Returns what lets the lock go, or undefined if somebody else has it. The file stays: a lock on
 * one that is no longer there would keep nobody out. Where there is no flock(1) nobody is.
 */
export function lockPath(path: string): (() => void) | undefined {
  const file = openSync(path, OPEN, 0o600);
  const { status } = spawnSync('flock', ['-x', '-n', String(CHILD_DESCRIPTOR)], {
    stdio: ['ignore', 'ignore', 'ignore', file],
  });
  if (status !== EXIT_LOCKED) return () => closeSync(file);
  closeSync(file);
  return undefined;
}
