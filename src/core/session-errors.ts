/**
 * What a request can come to, as error classes: the same ones whether the engine is embedded or
 * reached over TCP.
 */
import type { ReasonName, StatusName } from './codes.ts';
import { SessileError } from './errors.ts';

/** The session has ended, or was never there. `reason` says why; register again to go on. */
export class SessionEvictedError extends SessileError {
  override readonly name = 'SessionEvictedError';

  constructor(
    readonly reason: ReasonName,
    readonly id: string,
    readonly session: number,
  ) {
    super('session_evicted', `session ${session} of client ${id} ended: ${reason}`, {
      reason,
      id,
      session,
    });
  }
}

/**
 * The engine refused a message: nothing was executed, no request number was consumed and the
 * session is unchanged. `code` is one of the protocol's error codes.
 */
export class RefusedError extends SessileError {
  override readonly name: string = 'RefusedError';
}

/** Too many requests for this session. */
export class RateLimitedError extends RefusedError {
  override readonly name = 'RateLimitedError';

  /** @param retryAfterMs when the same request would be allowed; Infinity if it never will be */
  constructor(
    message: string,
    readonly retryAfterMs: number,
    details: Readonly<Record<string, unknown>> = {},
  ) {
    super('rate_limited', message, details);
  }
}

/**
 * The request was executed and committed, and its reply says that it did not succeed: `failed`,
 * `conflict`, `invalid_body`, `too_large` or `unknown_operation`. `body` is the reply's body.
 */
export class ReplyStatusError extends SessileError {
  override readonly name = 'ReplyStatusError';

  constructor(
    readonly status: StatusName,
    readonly body: unknown,
  ) {
    const said = typeof body === 'string' ? `: ${body}` : '';
    super(status, `the reply's status is ${status}${said}`, { status, body });
  }
}
