/**
 * Listening on a Unix socket. Its file may be left over from a server that was killed: one that
 * nobody answers on is replaced, one that somebody answers on is not.
 */
import { randomBytes } from 'node:crypto';
import { type BigIntStats, chmodSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { SessileError } from '../core/errors.ts';
import { lockPath } from './path-lock.ts';

/** Only the user who runs the server may connect. */
const MODE = 0o600;
const UMASK = 0o177;

/**
 * Rejects with code `cannot_listen`. Resolves with what takes the file away again, once the server
 * does not listen any more: the server's own file only, should another have come in its place.
 */
export async function listenOnPath(server: Server, path: string): Promise<() => void> {
  refuseOther(path);
  const unlock = lock(path);
  try {
    const file = await takePlace(server, path);
    return () => {
      try {
        if (isSame(file, statOf(path))) unlinkSync(path);
      } catch {
        // What cannot be removed is left over for the next server, as if this one had been killed.
      }
      unlock();
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

function lock(path: string): () => void {
  let unlock: (() => void) | undefined;
  try {
    unlock = lockPath(`${path}.lock`);
  } catch (error) {
    throw cannotListen(path, (error as Error).message);
  }
  if (unlock === undefined) throw cannotListen(path, 'another server listens there');
  return unlock;
}

/** Listens under a name of its own, which then takes the place of what was left over. */
async function takePlace(server: Server, path: string): Promise<BigIntStats | undefined> {
  if (await answers(path)) throw cannotListen(path, 'another server listens there');
  // When the server closes, Node removes the file of this name, whatever is there by then.
  const own = join(dirname(path), `.${randomBytes(4).toString('hex')}`);
  try {
    await listen(server, own);
    chmodSync(own, MODE);
    const file = statOf(own);
    refuseOther(path);
    renameSync(own, path);
    return file;
  } catch (error) {
    server.close();
    throw cannotListen(path, (error as Error).message);
  }
}

async function listen(server: Server, path: string): Promise<void> {
  // From its first moment on the file lets nobody else in. A worker thread cannot see to that.
  const before = isMainThread ? process.umask(UMASK) : undefined;
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path, backlog: 1024 }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  if (before !== undefined) process.umask(before);
  await listening;
}

function statOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

function isSame(a: BigIntStats | undefined, b: BigIntStats | undefined): boolean {
  return a !== undefined && a.dev === b?.dev && a.ino === b.ino;
}

function refuseOther(path: string): void {
  const isOther = statOf(path)?.isSocket() === false;
  if (isOther) throw cannotListen(path, 'there is a file of another kind');
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
