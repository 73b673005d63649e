/**
 * What idempotency keys need of a session engine, embedded or remote. `keyStoreOf` makes one.
 */
import { SessileError } from '../core/errors.ts';

/**
 * Failures are told by the `code` of the error: `no_session` or `expired` when a call finds no live
 * session, `session_evicted` when a request's session has ended, `too_large` when a request was
 * executed and its data does not fit, `body_too_large` and `invalid_options` when it was not even
 * sent because its body is too long or nothing that msgpack can carry.
 */
export interface KeyStore {
  /** Registers a session with its first data, or finds the live one, which stays as it is. */
  register(id: Uint8Array, options: KeyRegisterOptions): Promise<KeyRegistered>;
  /** Runs an unsequenced operation of the service on the live session and gives its result. */
  call(id: Uint8Array, operation: string, body?: unknown): Promise<unknown>;
  /** Runs request number `request` of a session, exactly once, and gives its reply's body. */
  request(
    id: Uint8Array,
    session: number,
    request: number,
    operation: string,
    body: unknown,
  ): Promise<unknown>;
  /** Ends a session; another live one of the id is left alone. */
  close(id: Uint8Array, session: number): Promise<void>;
}

export interface KeyRegisterOptions {
  readonly ttlMs: number;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface KeyRegistered {
  readonly session: number;
  /** The session was live already. */
  readonly resumed: boolean;
}

/** What keys do with a session, by the names that the built-in service gives it. */
const OPERATIONS: readonly string[] = ['peek', 'touch', 'put', 'set_ttl', 'batch'];

/** Refuses a service without the operations that keys need, before anything is run for a key. */
export function requireOperations(offered: Iterable<string>): void {
  const names = new Set(offered);
  const missing = OPERATIONS.filter((name) => !names.has(name));
  if (missing.length === 0) return;
  const message = `the service lacks ${missing.join(', ')}; keys need the built-in session data`;
  throw new SessileError('keys_unsupported', message, { missing, offered: [...names] });
}

/** The code of an error of sessile, or of one that looks like it. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Whether a call failed because there is no live session. */
export function isGone(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'no_session' || code === 'expired' || code === 'session_evicted';
}
