/**
 * `lru-cache` with a TTL that each read renews: what one would take for bounded sessions. It
 * checks neither sequences nor duplicates.
 */
import { LRUCache } from 'lru-cache';
import { BATCH, BODY_BYTES, Cursor, type Subject, TTL_MS, type Workload } from './subject.ts';

export class LruPeer implements Subject {
  readonly name = 'lru-cache';
  readonly #load: Workload;
  readonly #cache: LRUCache<string, Uint8Array>;
  readonly #body = new Uint8Array(BODY_BYTES);
  readonly #draws: Cursor;
  readonly #fresh: Cursor;

  constructor(load: Workload) {
    this.#load = load;
    this.#draws = new Cursor(load.order.length);
    this.#fresh = new Cursor(load.keys.count, load.sessions);
    this.#cache = new LRUCache({ max: load.sessions, ttl: TTL_MS, updateAgeOnGet: true });
    for (let key = 0; key < load.sessions; key++) {
      this.#cache.set(load.keys.texts[key], new Uint8Array(this.#body));
    }
  }

  touch(): void {
    const { order, keys } = this.#load;
    const from = this.#draws.next();
    for (let i = from; i < from + BATCH; i++) {
      if (this.#cache.get(keys.texts[order[i]]) === undefined) throw new Error('a key is missing');
    }
  }

  request(): void {
    const { order, keys } = this.#load;
    const from = this.#draws.next();
    for (let i = from; i < from + BATCH; i++) {
      const key = keys.texts[order[i]];
      this.#body[0] = i;
      if (this.#cache.get(key) === undefined) throw new Error('a key is missing');
      this.#cache.set(key, new Uint8Array(this.#body));
    }
  }

  churn(): void {
    const { texts } = this.#load.keys;
    const from = this.#fresh.next();
    for (let i = from; i < from + BATCH; i++) this.#cache.set(texts[i], new Uint8Array(this.#body));
  }
}
