/**
 * What the front end tells an operator about connections: why one was refused or cut off, and from
 * where. Never what it sent: the reasons are sentences of the server's own.
 */
import { ERROR_NAMES, ErrorCode } from '../core/codes.ts';
import type { EventLog } from '../core/event-log.ts';

interface Peer {
  readonly destroyed?: boolean;
  readonly remoteAddress?: string | undefined;
}

export class ConnectionEvents {
  readonly #log: EventLog;

  constructor(log: EventLog) {
    this.#log = log;
  }

  /** A connection ends with this error, once: it was not taken, or it broke the protocol. */
  ended(code: ErrorCode, why: string | undefined, peer: Peer): void {
    const isRefused =
      code === ErrorCode.SERVER_BUSY ||
      code === ErrorCode.UNAUTHORIZED ||
      code === ErrorCode.FORBIDDEN;
    const fields = { code: ERROR_NAMES[code], address: addressOf(peer) };
    if (isRefused) this.#log.warn('connection_refused', fields);
    else this.#log.warn('protocol_error', why === undefined ? fields : { ...fields, why });
  }

  /** A connection did not take its answers and is cut off. */
  slowReader(unsentBytes: number, peer: Peer): void {
    if (peer.destroyed === true) return;
    this.#log.warn('slow_reader', { address: addressOf(peer), unsent_bytes: unsentBytes });
  }

  /** The system would not hand over a connection. */
  acceptFailed(error: Error): void {
    const { code } = error as NodeJS.ErrnoException;
    this.#log.warn('accept_failed', { code: code ?? 'unknown', message: error.message });
  }
}

function addressOf(peer: Peer): string {
  return peer.remoteAddress ?? 'unknown';
}
