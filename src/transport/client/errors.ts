/**
 * The errors that only a client over a network can meet. Those of the engine itself
 * (`SessionEvictedError`, `RefusedError`, `RateLimitedError`, `ReplyStatusError`) are the same
 * classes as in the embedded engine.
 */
import { SessileError } from '../../core/errors.ts';
import { RateLimitedError, RefusedError, ReplyStatusError } from '../../core/session-errors.ts';

/**
 * No answer within the time given. With `sent` true the outcome is unknown: the request may be
 * executed yet, and its session finds out before it sends another. With `sent` false it never
 * left this process and was not executed.
 */
export class RequestTimeoutError extends SessileError {
  override readonly name = 'RequestTimeoutError';

  constructor(
    readonly what: string,
    readonly timeoutMs: number,
    readonly sent: boolean,
  ) {
    const outcome = sent ? 'its outcome is unknown' : 'it was not sent';
    super('request_timeout', `no answer to ${what} within ${timeoutMs} ms; ${outcome}`, {
      what,
      timeout_ms: timeoutMs,
      sent,
    });
  }
}

/**
 * The connection is closed, could not be made, or was lost under something that must not be sent
 * twice. `cause` is the socket's error where there was one.
 */
export class ConnectionClosedError extends SessileError {
  override readonly name = 'ConnectionClosedError';

  constructor(message: string, cause?: unknown) {
    super('connection_closed', message, cause === undefined ? {} : { cause });
    if (cause !== undefined) this.cause = cause;
  }
}

/**
 * The two sides do not agree on TLS: one of them does not speak it, or does not accept the other's
 * certificate. The message says which it probably is; `cause` is the socket's error.
 */
export class TlsError extends SessileError {
  override readonly name = 'TlsError';

  constructor(message: string, cause?: unknown) {
    super('tls_failed', message, cause === undefined ? {} : { cause });
    if (cause !== undefined) this.cause = cause;
  }
}

/** The other side sent what the protocol does not describe: it is no sessile server, or broken. */
export class ProtocolError extends SessileError {
  override readonly name = 'ProtocolError';

  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super('protocol_error', message, details);
  }
}

/** As many are waiting already as `queueMax` allows. Nothing was sent. */
export class QueueFullError extends SessileError {
  override readonly name = 'QueueFullError';

  constructor(readonly limit: number) {
    super('queue_full', `${limit} are waiting already; wait for answers or raise queueMax`, {
      limit,
    });
  }
}

/** `putIf` found another version than the one it was given. Nothing was changed. */
export class ConflictError extends ReplyStatusError {
  /** @param version the version that the data has now */
  constructor(readonly version: number) {
    super('conflict', version);
    // The class above fixes the type of its name, not the name.
    (this as { name: string }).name = 'ConflictError';
    this.message = `the data has version ${version} by now; read it again`;
  }
}

/** `update` met another writer in each of its attempts. Nothing was changed. */
export class TooManyConflictsError extends SessileError {
  override readonly name = 'TooManyConflictsError';

  /** @param version the version that the data had at the last attempt */
  constructor(
    readonly attempts: number,
    readonly version: number,
  ) {
    super('too_many_conflicts', `other writers came first in each of ${attempts} attempts`, {
      attempts,
      version,
    });
  }
}

/** The error object for an error frame of the server. */
export function refusal(
  code: string,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): RefusedError {
  if (code !== 'rate_limited') return new RefusedError(code, message, details);
  const after = details.retry_after_ms;
  // Nil says that no wait is long enough: the cost is above the burst.
  return new RateLimitedError(message, typeof after === 'number' ? after : Infinity, details);
}
