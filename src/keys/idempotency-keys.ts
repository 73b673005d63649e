/**
 * Idempotency keys: a function that is run once per key, however many callers in however many
 * processes ask for it, and however often.
 *
 * A key is a session, its id a digest of the key. Registering it says who runs the function: only
 * one caller makes the session, the others find it live. Its TTL is the lease, which the owner
 * renews; the result is its data, written by a request that carries the session number, so that an
 * owner who has lost the key cannot write over a later one.
 */
import { randomBytes } from 'node:crypto';
import type { IdempotencyKey } from './errors.ts';
import {
  KeyInProgressError,
  KeyLeaseLostError,
  KeyMismatchError,
  KeyOutcomeUnknownError,
  KeyResultNotStorableError,
  KeyResultTooLargeError,
} from './errors.ts';
import { checkKeyOptions, type KeyOptions, type KeySettings } from './options.ts';
import { Patience } from './patience.ts';
import {
  endedData,
  isSame,
  type KeyName,
  type KeyRecord,
  mismatches,
  nameKey,
  type Outcome,
  readRecord,
  runningData,
} from './record.ts';
import { codeOf, isGone, type KeyStore } from './store.ts';

const OWNER_BYTES = 16;

/** Options of one run. */
export interface RunOptions {
  /** Gives up waiting when aborted. A function that has begun is not interrupted. */
  readonly signal?: AbortSignal | undefined;
}

/** Either this caller runs the key, under a session number, or there is a result. */
type Found = { readonly session: number } | { readonly result: unknown };

export class IdempotencyKeys {
  readonly #store: KeyStore;
  readonly #settings: KeySettings;

  /** @param store from `keyStoreOf(connection)` or `keyStoreOf(engine)` */
  constructor(store: KeyStore, options: KeyOptions = {}) {
    this.#store = store;
    this.#settings = checkKeyOptions(options);
  }

  /**
   * Runs `fn` if nobody has run it for this key yet, and gives its result; otherwise gives the
   * result that is stored, as msgpack carries it.
   *
   * @param key at least one byte; a text stands for its UTF-8 bytes
   * @param fingerprint what the key is for, of any length: the same key with another fingerprint is
   *   an error. Undefined is compared with nothing
   *
   * When `fn` throws, the key is free again and this promise rejects with what was thrown. Rejects
   * without having run `fn` with `KeyInProgressError`, `KeyMismatchError`, `InvalidOptionError`,
   * the signal's reason, or what the store says (`RefusedError` `sessions_exhausted` …). After
   * `fn` ran: `KeyResultTooLargeError` and `KeyResultNotStorableError`, which later callers get
   * too; `KeyLeaseLostError`; `KeyOutcomeUnknownError`.
   */
  async run<T>(
    key: IdempotencyKey,
    fingerprint: string | Uint8Array | undefined,
    fn: () => T | Promise<T>,
    options: RunOptions = {},
  ): Promise<T> {
    const { signal } = options;
    signal?.throwIfAborted();
    const name = nameKey(this.#settings.secret, key, fingerprint);
    const found = await this.#find(name, signal);
    if ('result' in found) return found.result as T;
    if (signal?.aborted) await this.#free(name, found.session);
    signal?.throwIfAborted();
    return this.#own(name, found.session, fn);
  }

  async #find(name: KeyName, signal: AbortSignal | undefined): Promise<Found> {
    const { leaseMs, waitMs, clock } = this.#settings;
    const patience = new Patience(clock, waitMs, name.key);
    for (;;) {
      const wasOver = patience.isOver;
      const owner = randomBytes(OWNER_BYTES);
      const data = runningData(name, owner);
      const { session, resumed } = await this.#store.register(name.id, { ttlMs: leaseMs, data });
      if (!resumed) return { session };
      const found = await this.#watch(name, session, owner, patience, signal);
      if (found !== undefined) return found;
      // The other one has gone: whoever registers first is next. Who was late has tried once more.
      if (wasOver) patience.check();
    }
  }

  /** Waits for what becomes of another caller's run; undefined when the key is free again. */
  async #watch(
    name: KeyName,
    session: number,
    owner: Uint8Array,
    patience: Patience,
    signal: AbortSignal | undefined,
  ): Promise<Found | undefined> {
    for (;;) {
      signal?.throwIfAborted();
      const record = await this.#peek(name);
      if (record === undefined) return undefined;
      // A register whose answer was lost and that was sent again finds the session it made.
      if (isSame(record.owner, owner)) return { session };
      if (mismatches(record, name)) throw new KeyMismatchError(name.key);
      if (record.state === 'done') return { result: record.result };
      if (record.state === 'too_large') throw new KeyResultTooLargeError(name.key);
      if (record.state === 'not_storable') throw new KeyResultNotStorableError(name.key);
      if (!this.#settings.waits) throw new KeyInProgressError(name.key, 0);
      await patience.pause(signal);
    }
  }

  async #peek(name: KeyName): Promise<KeyRecord | undefined> {
    try {
      return readRecord(await this.#store.call(name.id, 'peek'));
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  async #own<T>(name: KeyName, session: number, fn: () => T | Promise<T>): Promise<T> {
    const stop = this.#keep(name);
    try {
      const result = await this.#execute(name, session, fn);
      await this.#record(name, session, result);
      return result;
    } finally {
      stop();
    }
  }

  async #execute<T>(name: KeyName, session: number, fn: () => T | Promise<T>): Promise<T> {
    try {
      return await fn();
    } catch (error) {
      await this.#free(name, session);
      throw error;
    }
  }

  /** Renews the lease until the returned function is called. */
  #keep(name: KeyName): () => void {
    let isAsking = false;
    const renew = async (): Promise<void> => {
      if (isAsking) return;
      isAsking = true;
      // If it fails there may be time for another try; if not, recording the result finds out.
      await this.#store.call(name.id, 'touch').catch(ignore);
      isAsking = false;
    };
    const { clock, leaseMs } = this.#settings;
    return clock.every(Math.floor(leaseMs / 3), () => void renew());
  }

  /** Lets others run the key. If that fails, the end of the lease does. */
  async #free(name: KeyName, session: number): Promise<void> {
    await this.#store.close(name.id, session).catch(ignore);
  }

  async #record(name: KeyName, session: number, result: unknown): Promise<void> {
    const { key } = name;
    try {
      await this.#write(name, session, 1, 'done', result);
    } catch (error) {
      const code = codeOf(error);
      // A reply that it is too large has used the request's number, a refusal has not.
      if (code === 'too_large') await this.#mark(name, session, 2, code, result);
      if (code === 'body_too_large') await this.#mark(name, session, 1, 'too_large', result);
      if (code === 'too_large' || code === 'body_too_large') {
        throw new KeyResultTooLargeError(key, result);
      }
      if (code === 'invalid_options') {
        await this.#mark(name, session, 1, 'not_storable', result);
        throw new KeyResultNotStorableError(key, result, error);
      }
      throw unrecorded(name, result, error);
    }
  }

  /** Records that the function ran although there is no result to keep. */
  async #mark(
    name: KeyName,
    session: number,
    request: number,
    state: Outcome,
    result: unknown,
  ): Promise<void> {
    try {
      await this.#write(name, session, request, state, undefined);
    } catch (error) {
      throw unrecorded(name, result, error);
    }
  }

  async #write(
    name: KeyName,
    session: number,
    request: number,
    state: Outcome,
    result: unknown,
  ): Promise<void> {
    const steps = [
      ['put', endedData(name, state, result)],
      ['set_ttl', this.#settings.retentionMs],
    ];
    await this.#store.request(name.id, session, request, 'batch', steps);
  }
}

function unrecorded(name: KeyName, result: unknown, error: unknown): Error {
  if (isGone(error)) return new KeyLeaseLostError(name.key, result, error);
  return new KeyOutcomeUnknownError(name.key, result, error);
}

function ignore(): void {}
