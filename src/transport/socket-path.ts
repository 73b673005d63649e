/**
 * How long the path of a Unix socket may be. The system has a field of a fixed length for it; what
 * is longer would be cut off, or refused with an error that does not say so.
 */
import { dirname } from 'node:path';
import { InvalidOptionError } from '../core/errors.ts';

/** `sun_path` without the zero at its end: 108 bytes on Linux, 104 on the BSDs and macOS. */
const SOCKET_PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103;

/** A slash, and the name that a socket is made under before it takes its place. */
const OWN_NAME_BYTES = 10;

/** Throws `InvalidOptionError` about a path that no socket can be reached by. */
export function checkSocketPath(option: string, path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES_MAX) return;
  const expected = `a path of at most ${SOCKET_PATH_BYTES_MAX} bytes, which the system allows`;
  throw new InvalidOptionError(option, path, `${expected}; it has ${bytes}`);
}

/** The same about a path that no server can listen on. */
export function checkSocketPlace(option: string, path: string): void {
  checkSocketPath(option, path);
  const bytes = Buffer.byteLength(dirname(path));
  const most = SOCKET_PATH_BYTES_MAX - OWN_NAME_BYTES;
  if (bytes <= most) return;
  const expected = `in a folder whose path has at most ${most} bytes; it has ${bytes}`;
  throw new InvalidOptionError(option, path, expected);
}
