/**
 * Watching a server without waiting for it: when it goes away, that is the end.
 */
import type { Connection } from '../../transport/client/connection.ts';

/** Exit code when the server went away. */
const EXIT_GONE = 2;

/** Runs some work until it is done, or the connection is lost: then it says so. */
export async function untilLost(connection: Connection, work: Promise<void>): Promise<void> {
  const lost = new Promise<never>((_resolve, reject) => {
    connection.on('state', (_state, cause) => reject(cause));
  });
  // Closing it in the end is no news to anybody.
  lost.catch(() => {});
  try {
    await Promise.race([work, lost]);
  } catch (error) {
    if (connection.state === 'connected') throw error;
    work.catch(() => {});
    const why = error instanceof Error ? `: ${error.message}` : '';
    process.stderr.write(`sessile: the server went away${why}\n`);
    process.exitCode = EXIT_GONE;
  }
}
