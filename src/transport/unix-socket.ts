/**
 * Listening on a Unix socket. Its file may be left over from a server that was killed: one that
 * nobody answers on is removed, one that somebody answers on is not.
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { SessileError } from '../core/errors.ts';

/** Only the user who runs the server may connect. */
const MODE = 0o600;
const UMASK = 0o177;

/** Rejects with code `cannot_listen`. The file goes when the server is closed. */
export async function listenOnPath(server: Server, path: string): Promise<void> {
  await removeStale(path);
  // From its first moment on the file lets nobody else in. A worker thread cannot see to that.
  const before = isMainThread ? process.umask(UMASK) : undefined;
  try {
    const listening = new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path, backlog: 1024 }, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
    if (before !== undefined) process.umask(before);
    await listening;
  } catch (error) {
    throw cannotListen(path, (error as Error).message);
  }
  chmodSync(path, MODE);
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw cannotListen(path, 'there is a file of another kind');
  if (await answers(path)) throw cannotListen(path, 'another server listens there');
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // Whoever may not connect does not know whether somebody listens.
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(cannotListen(path, error.message));
    });
  });
}

function cannotListen(path: string, why: string): SessileError {
  return new SessileError('cannot_listen', `cannot listen on ${path}: ${why}`, { path });
}
