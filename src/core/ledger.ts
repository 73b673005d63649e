/**
 * The capacity ledger: how many sessions live over all shards, and for each shard a lower bound of
 * the commit time of its oldest session that may be evicted. A small SharedArrayBuffer that every
 * runner reads and writes with Atomics.
 *
 *     word 0 sessions │ 1 limit │ 2 shards │ 3 defers │ 4 coming │ 5 to 7 spare
 *     per shard: version, high, low, spare
 *
 * Bounds may lag behind (be too low) but are never too high, so a shard whose actual oldest commit
 * is not newer than every other shard's bound holds the oldest of all. They are refreshed only
 * when somebody looks for a victim, which keeps them off the hot path. A bound is a Float64 in
 * two words under a version that is odd while its one writer, the shard's owner, changes it.
 *
 * Where answers wait for several logs and a full table rejects, the ledger *defers*: the place of a
 * session that ended is given back by whoever writes its shard's log, once the end is on disk.
 * Otherwise a crash could lose the end and keep the register that took the place, in the log of
 * another shard, and one session too many would come back.
 */
import { assert } from './assert.ts';

const SHARD_WORDS = 4;
const FIRST = 8;
/** A writer holds the version odd for two stores; a reader that saw so many odd ones gives up. */
const READ_TRIES_MAX = 1_000;

const enum Word {
  SESSIONS = 0,
  LIMIT = 1,
  SHARDS = 2,
  DEFERS = 3,
  COMING = 4,
}

/** The bound of a shard that holds nothing to evict. */
export const NOTHING_TO_EVICT = Number.POSITIVE_INFINITY;

export class Ledger {
  readonly #words: Int32Array;
  readonly #float = new Float64Array(1);
  readonly #halves = new Int32Array(this.#float.buffer);
  readonly shards: number;
  readonly sessionsMax: number;
  /** Whether the place of a session that ended is given back only when that is on disk. */
  readonly defers: boolean;

  constructor(readonly memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.shards = this.#words[Word.SHARDS];
    this.sessionsMax = this.#words[Word.LIMIT];
    this.defers = this.#words[Word.DEFERS] !== 0;
  }

  /**
   * Places taken over all shards, never above `sessionsMax`: by the live sessions, and by those
   * whose end is not on disk yet, if the ledger defers.
   */
  sessions(): number {
    return Atomics.load(this.#words, Word.SESSIONS);
  }

  /** Live sessions over all shards; of a moment, as others change both numbers it is made of. */
  get live(): number {
    return Math.max(0, this.sessions() - this.coming);
  }

  /** Places of sessions that have ended, which are given back when that is on disk. */
  get coming(): number {
    return Atomics.load(this.#words, Word.COMING);
  }

  /** Takes one session of the global limit; false when there is none left. */
  take(): boolean {
    const words = this.#words;
    let seen = Atomics.load(words, Word.SESSIONS);
    // Each failed exchange means that another runner succeeded, so this ends.
    while (seen < this.sessionsMax) {
      const found = Atomics.compareExchange(words, Word.SESSIONS, seen, seen + 1);
      if (found === seen) return true;
      seen = found;
    }
    return false;
  }

  /**
   * Gives sessions back. The subtraction is the last thing it does, so that a thread cannot be
   * stopped between it and what the caller notes in its own shard.
   */
  give(count: number): void {
    assert(this.sessions() >= count, 'no more sessions are given back than were taken');
    Atomics.sub(this.#words, Word.SESSIONS, count);
  }

  /** A session has ended whose place comes later. The addition is the last thing it does. */
  defer(): void {
    Atomics.add(this.#words, Word.COMING, 1);
  }

  /**
   * Gives back places that were deferred. As `give`: nothing comes after the subtractions. In this
   * order, so that nobody finds a place neither free nor on its way.
   */
  giveDeferred(count: number): void {
    assert(this.coming >= count, 'no more places are given back than were deferred');
    assert(this.sessions() >= count, 'no more places are given back than were taken');
    Atomics.sub(this.#words, Word.SESSIONS, count);
    Atomics.sub(this.#words, Word.COMING, count);
  }

  /** Counts the sessions that recovery brought back to a shard, before anybody takes one. */
  restore(shard: number, sessions: number, boundMs: number): void {
    const total = Atomics.add(this.#words, Word.SESSIONS, sessions) + sessions;
    assert(total <= this.sessionsMax, 'recovery keeps the limit');
    this.publish(shard, boundMs);
  }

  /** Only by the shard's owner. */
  publish(shard: number, boundMs: number): void {
    const words = this.#words;
    const at = FIRST + shard * SHARD_WORDS;
    this.#float[0] = boundMs;
    // Odd already if the writer before died in here.
    const writing = Atomics.load(words, at) | 1;
    Atomics.store(words, at, writing);
    Atomics.store(words, at + 1, this.#halves[1]);
    Atomics.store(words, at + 2, this.#halves[0]);
    Atomics.store(words, at, (writing + 1) | 0);
  }

  /** The bound of a shard. A writer that died half-way leaves it unknown, hence lowest. */
  boundOf(shard: number): number {
    const words = this.#words;
    const at = FIRST + shard * SHARD_WORDS;
    for (let tries = 0; tries < READ_TRIES_MAX; tries++) {
      const version = Atomics.load(words, at);
      this.#halves[1] = Atomics.load(words, at + 1);
      this.#halves[0] = Atomics.load(words, at + 2);
      if ((version & 1) === 0 && Atomics.load(words, at) === version) return this.#float[0];
    }
    return Number.NEGATIVE_INFINITY;
  }

  /** The shard with the lowest bound, or −1 when none holds anything to evict. */
  oldestShard(): number {
    let oldest = -1;
    let lowest = NOTHING_TO_EVICT;
    for (let shard = 0; shard < this.shards; shard++) {
      const bound = this.boundOf(shard);
      if (bound < lowest) {
        oldest = shard;
        lowest = bound;
      }
    }
    return oldest;
  }

  /** The lowest bound among all shards but one: the victim there must not be newer. */
  lowestBoundBeside(shard: number): number {
    let lowest = NOTHING_TO_EVICT;
    for (let other = 0; other < this.shards; other++) {
      if (other !== shard) lowest = Math.min(lowest, this.boundOf(other));
    }
    return lowest;
  }
}

export function createLedger(shards: number, sessionsMax: number, defers = false): Ledger {
  const memory = new SharedArrayBuffer((FIRST + shards * SHARD_WORDS) * 4);
  const words = new Int32Array(memory);
  words[Word.LIMIT] = sessionsMax;
  words[Word.SHARDS] = shards;
  words[Word.DEFERS] = defers ? 1 : 0;
  const ledger = new Ledger(memory);
  for (let shard = 0; shard < shards; shard++) ledger.publish(shard, NOTHING_TO_EVICT);
  return ledger;
}

/** Up to here every shard gets slots for all sessions: it costs next to nothing, and is exact. */
const SESSIONS_FEW = 4096;

/**
 * Slots of one shard's table: its even share plus eight standard deviations of a random spread, so
 * that the global limit is reached first (a shard overflows less than once in 10^15 fillings).
 */
export function shardSlots(sessionsMax: number, shards: number): number {
  if (sessionsMax <= SESSIONS_FEW) return sessionsMax;
  const mean = sessionsMax / shards;
  return Math.min(sessionsMax, Math.ceil(mean + 8 * Math.sqrt(mean)));
}
