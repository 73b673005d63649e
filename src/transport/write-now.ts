/**
 * Writes to a socket without the machinery that Node keeps for writes that have to wait, which
 * costs a third as much as the system's own work for a small reply. The descriptor of a socket is
 * non-blocking, so the system takes what it has room for and says so at once.
 *
 * Not for TLS, whose socket shows the descriptor of the plain one below it.
 *
 * Where a socket shows no descriptor (`_handle.fd` is not documented), nothing is written here.
 */
import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';

interface Internals {
  _handle?: { fd?: number } | null;
}

/**
 * Writes the first `length` bytes, and returns how many of them the system took. The rest, if any,
 * is for `socket.write`, which also finds out what was wrong. Nothing may be waiting in the socket.
 */
export function writeNow(socket: Socket, bytes: Uint8Array, length: number): number {
  const fd = (socket as unknown as Internals)._handle?.fd ?? -1;
  if (fd < 0) return 0;
  try {
    return writeSync(fd, bytes, 0, length);
  } catch {
    // No room now, or the other side has gone.
    return 0;
  }
}
