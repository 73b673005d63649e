/**
 * What the threads of a litmus round have in common: where the code under test lies, counters that
 * the watching thread reads, and a pace that changes by itself.
 */
import { workerData } from 'node:worker_threads';
import { giveWay, random, spin } from '../../workers/threads/traffic.mjs';

export { giveWay, random, spin };

/** The built code under test: what is shipped, or a copy with a fault in it. */
export function load(path) {
  return import(new URL(path, workerData.dist).href);
}

/** Turns of a full or an empty side before it lets the other thread have the core. */
const TURNS_MAX = 2_000;

/** Counts events on this thread alone, and shows them to the watching thread now and then. */
export class Counts {
  #shared = new Int32Array(workerData.counts);
  #names = workerData.names;
  #local = new Int32Array(workerData.names.length);

  add(name, count = 1) {
    this.#local[this.#names.indexOf(name)] += count;
  }

  /** Seldom, because each store here puts the thread's other stores in order too. */
  show() {
    for (let i = 0; i < this.#local.length; i++) Atomics.store(this.#shared, i, this.#local[i]);
  }
}

/** Spins, gives way or does nothing, in one manner for a while and then in another. */
export class Pace {
  #next;
  #words = new Int32Array(new SharedArrayBuffer(4));
  #left = 0;
  #spinMax = 0;
  #givesWay = false;
  /** How many records of a phase are published, or given back, at a time. */
  batch = 1;
  /** Whether this side publishes, or gives back, only when it can do nothing else. */
  isStubborn = false;

  constructor(seed) {
    this.#next = random(seed);
  }

  below(limit) {
    return this.#next(limit);
  }

  /** True when a new phase has begun. */
  step() {
    const begins = this.#left-- <= 0;
    if (begins) this.#begin();
    if (this.#spinMax > 0) spin(this.#words, this.#next(this.#spinMax));
    if (this.#givesWay && this.#next(64) === 0) giveWay();
    return begins;
  }

  /** For a window in which the other side may act: mostly none, at times a long one. */
  window() {
    const width = this.#next(8);
    if (width > 5) spin(this.#words, this.#next(width === 7 ? 3_000 : 100));
  }

  #begin() {
    this.#left = 1 + this.#next(4_000);
    this.#spinMax = [0, 0, 0, 20, 200][this.#next(5)];
    if (this.#spinMax === 200) this.#left >>= 3;
    this.#givesWay = this.#next(6) === 0;
    this.batch = [1, 2, 8, 32][this.#next(4)];
    this.isStubborn = this.#next(5) === 0;
  }
}

/** Calls `attempt` until it gives something other than undefined. */
export function persist(attempt) {
  for (let turns = 0; ; turns++) {
    const result = attempt();
    if (result !== undefined) return result;
    if (turns > TURNS_MAX) giveWay();
  }
}

/** A number for each serial and seed, the same on all threads. */
function mixed(seed, serial) {
  let x = Math.imul(serial ^ seed, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b);
  return (x ^ (x >>> 13)) >>> 0;
}

/** The words of a record: short ones mostly, at times one as long as is allowed. */
export function wordsOf(seed, serial, most) {
  const x = mixed(seed, serial);
  const limit = x % 16 === 0 ? most : Math.min(most, 28);
  return 4 + ((x >>> 4) % (limit - 3));
}
