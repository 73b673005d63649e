/**
 * `mnemonist`'s `LRUMap`: an order by use in typed arrays beside a `Map`, as our table keeps its
 * own. It has no TTL, so a touch only makes the entry the newest.
 */
import { LRUMap } from 'mnemonist';
import { BATCH, BODY_BYTES, Cursor, type Subject, type Workload } from './subject.ts';

export class MnemonistPeer implements Subject {
  readonly name = 'mnemonist';
  readonly #load: Workload;
  readonly #map: LRUMap<string, Uint8Array>;
  readonly #body = new Uint8Array(BODY_BYTES);
  readonly #draws: Cursor;
  readonly #fresh: Cursor;

  constructor(load: Workload) {
    this.#load = load;
    this.#draws = new Cursor(load.order.length);
    this.#fresh = new Cursor(load.keys.count, load.sessions);
    this.#map = new LRUMap(load.sessions);
    for (let key = 0; key < load.sessions; key++) {
      this.#map.set(load.keys.texts[key], new Uint8Array(this.#body));
    }
  }

  touch(): void {
    const { order, keys } = this.#load;
    const from = this.#draws.next();
    for (let i = from; i < from + BATCH; i++) {
      if (this.#map.get(keys.texts[order[i]]) === undefined) throw new Error('a key is missing');
    }
  }

  request(): void {
    const { order, keys } = this.#load;
    const from = this.#draws.next();
    for (let i = from; i < from + BATCH; i++) {
      const key = keys.texts[order[i]];
      this.#body[0] = i;
      if (this.#map.get(key) === undefined) throw new Error('a key is missing');
      this.#map.set(key, new Uint8Array(this.#body));
    }
  }

  churn(): void {
    const { texts } = this.#load.keys;
    const from = this.#fresh.next();
    for (let i = from; i < from + BATCH; i++) this.#map.set(texts[i], new Uint8Array(this.#body));
  }
}
