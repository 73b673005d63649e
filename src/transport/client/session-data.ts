/**
 * The operations of the built-in service, where a session's data is one map with a version. How an
 * operation gets to the server is not decided here: a `Session` sends numbered requests, what
 * `connection.data` returns makes calls.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidOptionError, integerOption } from '../../core/errors.ts';
import { ReplyStatusError } from '../../core/session-errors.ts';
import type { SessionInfo, Versioned } from './answers.ts';
import { readArray, readInfo, readNumber, readVersioned } from './answers.ts';
import { Backoff } from './backoff.ts';
import { operationNumber } from './checks.ts';
import { ConflictError, TooManyConflictsError } from './errors.ts';
import type { Hub } from './hub.ts';
import type { RequestOptions } from './options.ts';
import { mapOption, ttlOption } from './options.ts';

/** Executes an operation and resolves with its result, decoded. */
export type Run = (operation: string, body: unknown, options: RequestOptions) => Promise<unknown>;

/** One operation of a batch: its name or number, and its body. */
export type BatchItem = readonly [operation: string | number, body?: unknown];

/** Options of `update`; the time limit is that of each of its requests. */
export interface UpdateOptions extends RequestOptions {
  /** How often it tries at most, 1 to 1000; 32. */
  readonly attempts?: number | undefined;
}

const ATTEMPTS_MAX = 1000;
const ATTEMPTS = 32;

/**
 * Waits in ms before another attempt of an update. They double, so that writers spread out until
 * most of them meet nobody: a hundred whose attempts take 10 ms each need about a second for that.
 */
const RETRY_MIN_MS = 1;
const RETRY_MAX_MS = 1000;

/**
 * A session's data. Each method is one request or call, and rejects as that does; a result that is
 * none of the built-in service's is a `ProtocolError`.
 */
export class SessionData {
  readonly #hub: Hub;
  readonly #run: Run;

  /** @internal Made by `connection.data()` and inside of each session. */
  constructor(hub: Hub, run: Run) {
    this.#hub = hub;
    this.#run = run;
  }

  /** The data and its version: version 0 and an empty map until it is first written. */
  async get<T extends object = Record<string, unknown>>(
    options: RequestOptions = {},
  ): Promise<Versioned<T>> {
    return readVersioned<T>('get', await this.#run('get', null, options));
  }

  /** As `get`, but the session's idle time goes on as if nothing had happened. */
  async peek<T extends object = Record<string, unknown>>(
    options: RequestOptions = {},
  ): Promise<Versioned<T>> {
    return readVersioned<T>('peek', await this.#run('peek', null, options));
  }

  /** Replaces the data with an object or a Map. Resolves with the new version. */
  async put(data: object, options: RequestOptions = {}): Promise<number> {
    return readNumber('put', await this.#run('put', mapOption('data', data), options));
  }

  /**
   * Replaces the data if it has this version. Resolves with the new one; rejects with
   * `ConflictError`, which tells the present version, if it has another.
   */
  async putIf(version: number, data: object, options: RequestOptions = {}): Promise<number> {
    integerOption('version', version, 0, Number.MAX_SAFE_INTEGER);
    const body = [version, mapOption('data', data)];
    return readNumber('put_if', await this.#run('put_if', body, options).catch(rejectConflict));
  }

  /**
   * Sets the keys that are given and leaves the others; null removes a key. Resolves with the new
   * version.
   */
  async merge(data: object, options: RequestOptions = {}): Promise<number> {
    return readNumber('merge', await this.#run('merge', mapOption('data', data), options));
  }

  /** Adds to a field, which counts as 0 if it is not there. Resolves with its new value. */
  async increment(field: string, delta = 1, options: RequestOptions = {}): Promise<number> {
    if (typeof field !== 'string') throw new InvalidOptionError('field', field, 'a name');
    if (!Number.isFinite(delta)) throw new InvalidOptionError('delta', delta, 'a finite number');
    return readNumber('increment', await this.#run('increment', [field, delta], options));
  }

  /** What the server knows of the session beside its data. */
  async info(options: RequestOptions = {}): Promise<SessionInfo> {
    return readInfo(await this.#run('info', null, options));
  }

  /** Starts the session's idle time anew. */
  async touch(options: RequestOptions = {}): Promise<void> {
    await this.#run('touch', null, options);
  }

  /** Gives the session another idle time in ms until it expires; null for never. */
  async setTtl(ttlMs: number | null, options: RequestOptions = {}): Promise<void> {
    await this.#run('set_ttl', ttlOption(ttlMs), options);
  }

  /**
   * Executes several operations in one commit, all or none of them. Resolves with their results as
   * the server gives them: that of a `get` is `[version, data]`.
   */
  async batch(items: readonly BatchItem[], options: RequestOptions = {}): Promise<unknown[]> {
    if (!Array.isArray(items) || !items.every((item) => Array.isArray(item))) {
      throw new InvalidOptionError('items', items, 'an array of [operation, body]');
    }
    const { greeting } = this.#hub;
    const body = items.map(([operation, value]) => [operationNumber(greeting, operation), value]);
    return readArray('batch', await this.#run('batch', body, options));
  }

  /** Resolves with the value as the server sends it back. */
  echo(value: unknown, options: RequestOptions = {}): Promise<unknown> {
    return this.#run('echo', value, options);
  }

  /**
   * Reads the data, lets `change` make the new data of it, and writes that if nobody has written
   * in between; otherwise it begins again after a short random wait. Resolves with what was
   * written.
   *
   * `change` may run several times. If it throws, nothing is changed and the promise rejects with
   * what it threw. When other writers come first in each attempt, it rejects with
   * `TooManyConflictsError`.
   */
  async update<T extends object = Record<string, unknown>>(
    change: (data: T, version: number) => T | Promise<T>,
    options: UpdateOptions = {},
  ): Promise<Versioned<T>> {
    if (typeof change !== 'function') throw new InvalidOptionError('change', change, 'a function');
    const attempts = integerOption('attempts', options.attempts ?? ATTEMPTS, 1, ATTEMPTS_MAX);
    const backoff = new Backoff(RETRY_MIN_MS, RETRY_MAX_MS, this.#hub.settings.random);
    for (let attempt = 1; ; attempt++) {
      const { version, data } = await this.peek<T>(options);
      const changed = await change(data, version);
      try {
        return { version: await this.putIf(version, changed, options), data: changed };
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        if (attempt === attempts) throw new TooManyConflictsError(attempts, error.version);
      }
      await sleep(backoff.delayMs(attempt - 1));
    }
  }
}

/** Tells a conflict about the version from what services of one's own may mean by that status. */
function rejectConflict(error: unknown): never {
  if (error instanceof ReplyStatusError && error.status === 'conflict') {
    if (typeof error.body === 'number') throw new ConflictError(error.body);
  }
  throw error;
}
