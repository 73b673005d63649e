/** `lru-cache` with a TTL, its values plain objects: no bytes are encoded or copied. */
import { LRUCache } from 'lru-cache';
import type { Keys } from '../table/keys.ts';
import { SESSIONS, type Store } from './store.ts';

interface Data {
  readonly [key: string]: unknown;
}

const TTL_MS = 60_000;

export class LruStore implements Store {
  readonly name = 'lru-cache';
  readonly #keys: Keys;
  readonly #order: Int32Array;
  #ahead = 0;
  /** A clock of its own, so that a sweep need not wait. */
  readonly #cache = new LRUCache<string, Data>({
    max: SESSIONS,
    ttl: TTL_MS,
    updateAgeOnGet: true,
    perf: { now: () => performance.now() + this.#ahead },
  });

  constructor(keys: Keys, order: Int32Array) {
    this.#keys = keys;
    this.#order = order;
  }

  create(): void {
    for (let i = 0; i < SESSIONS; i++) this.#cache.set(this.#key(i), {});
  }

  get(): void {
    for (let i = 0; i < SESSIONS; i++) this.#data(i);
  }

  put(): void {
    for (let i = 0; i < SESSIONS; i++) {
      this.#data(i);
      this.#cache.set(this.#key(i), { user: i, name: 'somebody', cart: [1, 2, 3] });
    }
  }

  merge(): void {
    for (let i = 0; i < SESSIONS; i++) {
      this.#cache.set(this.#key(i), { ...this.#data(i), name: 'somebody else' });
    }
  }

  touch(): void {
    for (let i = 0; i < SESSIONS; i++) this.#data(i);
  }

  list(): void {
    const entries: unknown[] = [];
    for (const [id, data] of this.#cache.entries()) {
      entries.push({ id, ttlMs: this.#cache.getRemainingTTL(id), data });
    }
    if (entries.length !== SESSIONS) throw new Error(`${entries.length} sessions were listed`);
  }

  remove(): void {
    for (let i = 0; i < SESSIONS / 2; i++) {
      if (!this.#cache.delete(this.#key(i))) throw new Error('a session is missing');
    }
  }

  expire(): void {
    this.#ahead += TTL_MS + 1024;
  }

  sweep(): void {
    this.#cache.purgeStale();
    if (this.#cache.size !== 0) throw new Error(`${this.#cache.size} sessions were left`);
  }

  #key(i: number): string {
    return this.#keys.texts[this.#order[i]];
  }

  #data(i: number): Data {
    const data = this.#cache.get(this.#key(i));
    if (data === undefined) throw new Error('a session is missing');
    return data;
  }
}
