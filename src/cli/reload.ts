/**
 * SIGHUP: what may change while the server runs is read again, and the log says what came of it.
 * What cannot be read leaves everything as it was.
 */
import { SessileError } from '../core/errors.ts';
import { type EventLog, NO_LOG } from '../core/event-log.ts';

/**
 * @param reload reads again what can be; resolves with the names of what it read
 * @param textOf what an error says
 */
export function reloadAtHangUp(
  reload: () => Promise<readonly string[]>,
  textOf: (error: unknown) => string,
  log: EventLog = NO_LOG,
): void {
  // One after another: the last signal finds what was there when it came.
  let last = Promise.resolve();
  process.on('SIGHUP', () => {
    last = last.then(async () => {
      try {
        log.info('configuration_reloaded', { read: await reload() });
      } catch (error) {
        const code = error instanceof SessileError ? error.code : 'unknown';
        log.error('reload_failed', { code, message: textOf(error) });
      }
    });
  });
}
