/**
 * What can become of a key, as error classes. Each has the key in `key` and in `details`, and those
 * that come after `fn` ran have what it returned in `result`, because nobody else has it.
 */
import { SessileError } from '../core/errors.ts';

/** An idempotency key: text stands for its UTF-8 bytes. */
export type IdempotencyKey = string | Uint8Array;

const KEY_CHARACTERS_MAX = 64;

/** Another caller runs this key. Nothing was executed for this one. */
export class KeyInProgressError extends SessileError {
  override readonly name = 'KeyInProgressError';

  /** @param waitedMs how long this caller has waited for the other one */
  constructor(
    readonly key: IdempotencyKey,
    readonly waitedMs: number,
  ) {
    const waited = waitedMs > 0 ? `, still after ${waitedMs} ms` : '';
    const message = `${nameOf(key)} is being run by another caller${waited}; try again later`;
    super('key_in_progress', message, { key, waited_ms: waitedMs });
  }
}

/** The key was used for something else before. Nothing was executed. */
export class KeyMismatchError extends SessileError {
  override readonly name = 'KeyMismatchError';

  constructor(readonly key: IdempotencyKey) {
    const message = `${nameOf(key)} was used with another fingerprint; take a new key for new work`;
    super('key_mismatch', message, { key });
  }
}

/** `fn` ran, but the key was lost meanwhile, so that another caller may run it as well. */
export class KeyLeaseLostError extends SessileError {
  override readonly name = 'KeyLeaseLostError';

  constructor(
    readonly key: IdempotencyKey,
    readonly result: unknown,
    cause: unknown,
  ) {
    const lost = `${nameOf(key)} was lost while its function ran: its lease or session ended`;
    const advice =
      'the result was not recorded; undo it, or raise leaseMs and the sessions allowed';
    super('key_lease_lost', `${lost}; ${advice}`, { key, cause });
    this.cause = cause;
  }
}

/** `fn` ran, and its result does not fit into a session. `fn` is not run again for this key. */
export class KeyResultTooLargeError extends SessileError {
  override readonly name = 'KeyResultTooLargeError';

  /** @param result what `fn` returned; undefined for later callers, who cannot have it */
  constructor(
    readonly key: IdempotencyKey,
    readonly result?: unknown,
  ) {
    const message = `${nameOf(key)} was run, but its result is larger than the server stores`;
    super('key_result_too_large', `${message}; return less or raise its data limit`, { key });
  }
}

/** `fn` ran, and msgpack cannot carry its result. `fn` is not run again for this key. */
export class KeyResultNotStorableError extends SessileError {
  override readonly name = 'KeyResultNotStorableError';

  /** @param result what `fn` returned; undefined for later callers, who cannot have it */
  constructor(
    readonly key: IdempotencyKey,
    readonly result?: unknown,
    cause?: unknown,
  ) {
    const message = `${nameOf(key)} was run, but its result is nothing that msgpack can carry`;
    const details = cause === undefined ? { key } : { key, cause };
    super('key_result_not_storable', `${message}; return plain values`, details);
    if (cause !== undefined) this.cause = cause;
  }
}

/** `fn` ran, and whether its result was recorded is unknown; `cause` says what went wrong. */
export class KeyOutcomeUnknownError extends SessileError {
  override readonly name = 'KeyOutcomeUnknownError';

  constructor(
    readonly key: IdempotencyKey,
    readonly result: unknown,
    cause: unknown,
  ) {
    const message = `${nameOf(key)} was run, but its result may not have been recorded`;
    const advice = 'once the lease has passed, the same key either gives it or runs again';
    super('key_outcome_unknown', `${message}; ${advice}`, { key, cause });
    this.cause = cause;
  }
}

function nameOf(key: IdempotencyKey): string {
  const text = typeof key === 'string' ? key : `0x${Buffer.from(key).toString('hex')}`;
  return `key ${JSON.stringify(text.slice(0, KEY_CHARACTERS_MAX))}`;
}
