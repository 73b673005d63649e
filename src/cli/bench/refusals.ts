/**
 * What a client does after an error of the server, as docs/protocol.md (7.3) says: how long a
 * session pauses before it sends the next request, and whether its numbers can still be trusted.
 */

export interface AfterRefusal {
  readonly pauseMs: number;
  /** Only a register tells the next number. */
  readonly isOutOfStep: boolean;
}

/** After an error that says that the server has no room or time just now. */
const BUSY_PAUSE_MS = 50;
/** After a rate limit that no waiting satisfies, and a register that is refused for good. */
const NEVER_PAUSE_MS = 1_000;

const BUSY = new Set([
  'server_busy',
  'request_in_flight',
  'shutting_down',
  'sessions_exhausted',
  'storage_failed',
]);

const OUT_OF_STEP = new Set([
  'session_too_high',
  'request_mismatch',
  'request_stale',
  'request_gap',
  'requests_exhausted',
]);

export function afterRefusal(
  code: string,
  details: Readonly<Record<string, unknown>>,
): AfterRefusal {
  if (code === 'rate_limited') {
    const { retry_after_ms: given } = details;
    return { pauseMs: typeof given === 'number' ? given : NEVER_PAUSE_MS, isOutOfStep: false };
  }
  return { pauseMs: BUSY.has(code) ? BUSY_PAUSE_MS : 0, isOutOfStep: OUT_OF_STEP.has(code) };
}

/** How long a session pauses whose register was refused: else it would take the others' turns. */
export function registerPauseMs({ pauseMs }: AfterRefusal): number {
  return pauseMs > 0 ? pauseMs : NEVER_PAUSE_MS;
}
