/**
 * Our session table, used as a shard's executor uses it: one message object, a hash per message,
 * the clock read once per batch and moved on per message, and 64 messages at a time looked at
 * before the first of them runs, as a shard's loop does.
 */
import { createArena } from '../../dist/core/arena.js';
import { checksumMessage } from '../../dist/core/checksum.js';
import { Admission, Eviction, Verdict } from '../../dist/core/codes.js';
import { copyWords } from '../../dist/core/copy.js';
import { Header } from '../../dist/core/layout.js';
import { createLedger } from '../../dist/core/ledger.js';
import { Message } from '../../dist/core/message.js';
import { SessionTable } from '../../dist/core/session-table.js';
import { WARM_MESSAGES_MAX, Warmer } from '../../dist/core/warmer.js';
import { BATCH, BODY_BYTES, Cursor, type Subject, TTL_MS, type Workload } from './subject.ts';

// tsx compiles file by file, so an enum of another file would be looked up in each round.
const ADMITTED = Admission.ADMITTED;
const NO_ROOM = Admission.NO_ROOM;
const EVICTED = Eviction.EVICTED;
const EXECUTE = Verdict.EXECUTE;

/** Where the arena keeps its last commit number, which for a register is the session number. */
const COMMITS_AT = Header.COMMITS / 2;

const TICK_MS = 2 ** -16;
const WARM_AHEAD = WARM_MESSAGES_MAX;

export class Ours implements Subject {
  readonly name = 'sessile';
  readonly #load: Workload;
  readonly #now = new Float64Array(1);
  readonly #table: SessionTable;
  readonly #warmer: Warmer;
  readonly #message = new Message();
  readonly #draws: Cursor;
  readonly #fresh: Cursor;
  /** What each client knows: its session number and its last request. */
  readonly #sessions: Int32Array;
  readonly #requests: Int32Array;

  constructor(load: Workload) {
    this.#load = load;
    const { sessions, keys, order } = load;
    this.#table = makeTable(sessions, this.#now);
    this.#warmer = new Warmer(this.#table.arena);
    this.#draws = new Cursor(order.length);
    this.#fresh = new Cursor(keys.count, sessions);
    this.#sessions = new Int32Array(keys.count);
    this.#requests = new Int32Array(keys.count);
    const m = this.#message;
    m.bodyWords = new Int32Array(BODY_BYTES / 4);
    m.bodyBytes = new Uint8Array(m.bodyWords.buffer);
    m.bodyLength = BODY_BYTES;
    for (let key = 0; key < sessions; key++) this.#register(key);
  }

  touch(): void {
    const table = this.#table;
    const { order } = this.#load;
    const m = this.#message;
    const from = this.#begin(this.#draws);
    for (let i = from; i < from + BATCH; i++) {
      if ((i - from) % WARM_AHEAD === 0) this.#warm(i, from + BATCH);
      this.#address(order[i]);
      if (table.beginCall(m) !== EXECUTE) throw new Error('a session is missing');
      table.commitCall(table.slot, 0, 0, -1, true);
    }
  }

  request(): void {
    const table = this.#table;
    const { order } = this.#load;
    const m = this.#message;
    const { words, regions } = table.arena;
    const staged = regions.stagedReply;
    const from = this.#begin(this.#draws);
    for (let i = from; i < from + BATCH; i++) {
      const key = order[i];
      if ((i - from) % WARM_AHEAD === 0) this.#warm(i, from + BATCH);
      this.#address(key);
      m.sessionLow = this.#sessions[key];
      m.request = ++this.#requests[key];
      m.bodyWords[0] = i;
      checksumMessage(m);
      if (table.begin(m) !== EXECUTE) throw new Error('a request did not execute');
      copyWords(m.bodyWords, 0, words, staged, BODY_BYTES);
      table.commit(table.slot, 0, BODY_BYTES, -1);
    }
  }

  churn(): void {
    const from = this.#begin(this.#fresh);
    for (let key = from; key < from + BATCH; key++) this.#register(key);
  }

  #begin(cursor: Cursor): number {
    this.#now[0] = Math.max(this.#now[0], performance.now());
    return cursor.next();
  }

  #address(key: number): void {
    const { words } = this.#load.keys;
    const m = this.#message;
    m.id0 = words[key * 4];
    m.id1 = words[key * 4 + 1];
    m.id2 = words[key * 4 + 2];
    m.id3 = words[key * 4 + 3];
    m.hash = this.#table.hash(m.id0, m.id1, m.id2, m.id3);
    this.#now[0] += TICK_MS;
  }

  /** Hashes once more what is hashed for the message, because it has no ring that keeps it. */
  #warm(from: number, end: number): void {
    const warmer = this.#warmer;
    if (!warmer.pays) return;
    const { order, keys } = this.#load;
    const { words } = keys;
    for (let i = from; i < end && i < from + WARM_AHEAD; i++) {
      const at = order[i] * 4;
      warmer.add(this.#table.hash(words[at], words[at + 1], words[at + 2], words[at + 3]));
    }
    warmer.run();
  }

  /** As the router does it: ask, evict the oldest if there is no room, ask again. */
  #register(key: number): void {
    const table = this.#table;
    const m = this.#message;
    this.#address(key);
    let admission = table.register(m);
    if (admission === NO_ROOM) {
      if (table.evictOldest(Infinity) !== EVICTED) throw new Error('nothing was evicted');
      admission = table.register(m);
    }
    if (admission !== ADMITTED) throw new Error('a session was not admitted');
    this.#sessions[key] = table.arena.floats[COMMITS_AT];
    this.#requests[key] = 0;
  }
}

function makeTable(sessions: number, now: Float64Array): SessionTable {
  const arena = createArena({
    shard: 0,
    slots: sessions,
    dataBytesMax: BODY_BYTES,
    replyBytesMax: BODY_BYTES,
    ttlDefaultMs: TTL_MS,
    seedA: 0x1234567,
    seedB: 0x7654321,
  });
  const table = new SessionTable(arena, createLedger(1, sessions), now, 1);
  table.start();
  return table;
}
