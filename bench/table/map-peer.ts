/**
 * A plain `Map` of objects: the least that JavaScript can do. It has neither an order by last use
 * nor a TTL, so a touch only notes the time.
 */
import { BATCH, BODY_BYTES, Cursor, type Subject, type Workload } from './subject.ts';

interface Entry {
  touched: number;
  reply: Uint8Array;
}

export class MapPeer implements Subject {
  readonly name = 'Map';
  readonly #load: Workload;
  readonly #map = new Map<string, Entry>();
  readonly #body = new Uint8Array(BODY_BYTES);
  readonly #draws: Cursor;
  readonly #fresh: Cursor;

  constructor(load: Workload) {
    this.#load = load;
    this.#draws = new Cursor(load.order.length);
    this.#fresh = new Cursor(load.keys.count, load.sessions);
    for (let key = 0; key < load.sessions; key++) {
      this.#map.set(load.keys.texts[key], { touched: 0, reply: new Uint8Array(this.#body) });
    }
  }

  touch(): void {
    const { order, keys } = this.#load;
    const from = this.#draws.next();
    for (let i = from; i < from + BATCH; i++) this.#entry(keys.texts[order[i]]).touched = i;
  }

  request(): void {
    const { order, keys } = this.#load;
    const from = this.#draws.next();
    for (let i = from; i < from + BATCH; i++) {
      this.#body[0] = i;
      const entry = this.#entry(keys.texts[order[i]]);
      entry.touched = i;
      entry.reply = new Uint8Array(this.#body);
    }
  }

  /** The oldest by insertion goes: the nearest that a `Map` has to an order. */
  churn(): void {
    const { texts } = this.#load.keys;
    const from = this.#fresh.next();
    for (let i = from; i < from + BATCH; i++) {
      this.#map.delete(this.#map.keys().next().value!);
      this.#map.set(texts[i], { touched: i, reply: new Uint8Array(this.#body) });
    }
  }

  #entry(key: string): Entry {
    const entry = this.#map.get(key);
    if (entry === undefined) throw new Error('a key is missing');
    return entry;
  }
}
