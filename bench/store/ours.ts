/**
 * Our store: the built-in service run by a shard's executor, message by message, as a front end
 * runs it directly. Bodies are msgpack; every reply is looked at.
 */
import { Packr } from 'msgpackr';
import { createArena } from '../../dist/core/arena.js';
import { createLedger } from '../../dist/core/ledger.js';
import { Kind, Message } from '../../dist/core/message.js';
import { SessionTable } from '../../dist/core/session-table.js';
import { checkService } from '../../dist/services/service.js';
import { sessionData } from '../../dist/services/session-data.js';
import { type Answer, AnswerKind } from '../../dist/workers/answer.js';
import { Executions } from '../../dist/workers/executions.js';
import { Executor } from '../../dist/workers/executor.js';
import { entryOf, slotsUsed } from '../../dist/workers/session-listing.js';
import { createShardMeter, ShardMeter } from '../../dist/workers/shard-meter.js';
import type { Keys } from '../table/keys.ts';
import { SESSIONS, type Store } from './store.ts';

const TTL_MS = 60_000;
const TICK_MS = 2 ** -16;
const { get, put, merge, touch } = sessionData.operations;
const packr = new Packr({ useRecords: false });
const NOTHING = packr.pack(null);
const DATA = packr.pack({ user: 1, name: 'somebody', cart: [1, 2, 3] });
const PATCH = packr.pack({ name: 'somebody else' });
const ANY = { prefix: '', ageMsMin: 0, idleMsMin: 0, wallOffsetMs: 0 };
const ERROR = AnswerKind.ERROR;
const EVICTION = AnswerKind.EVICTION;

export class OurStore implements Store {
  readonly name = 'sessile';
  readonly #keys: Keys;
  readonly #order: Int32Array;
  readonly #now = new Float64Array(1);
  readonly #table: SessionTable;
  readonly #executor: Executor;
  readonly #message = new Message();
  #answers = 0;
  #problem = '';

  constructor(keys: Keys, order: Int32Array) {
    this.#keys = keys;
    this.#order = order;
    const arena = createArena({
      shard: 0,
      slots: SESSIONS,
      dataBytesMax: 1024,
      replyBytesMax: 2048,
      ttlDefaultMs: TTL_MS,
      seedA: 0x1234567,
      seedB: 0x7654321,
    });
    this.#table = new SessionTable(arena, createLedger(1, SESSIONS), this.#now, 1);
    this.#table.start();
    const outbox = {
      emit: (a: Answer): void => {
        this.#answers += 1;
        if (a.kind === ERROR || (a.kind !== EVICTION && a.code !== 0)) this.#problem = `${a.code}`;
      },
      hasRoom: (): boolean => true,
    };
    const executions = new Executions(1000, 1024, 1, () => {});
    const meter = new ShardMeter(createShardMeter());
    const checked = checkService(sessionData);
    this.#executor = new Executor(this.#table, checked, outbox, executions, meter);
    const m = this.#message;
    m.bodyWords = new Int32Array(64);
    m.bodyBytes = new Uint8Array(m.bodyWords.buffer);
    m.token = 1;
  }

  create(): void {
    this.#now[0] = Math.max(this.#now[0], performance.now());
    this.#all(Kind.REGISTER, 0, NOTHING, SESSIONS);
  }

  get(): void {
    this.#all(Kind.CALL, get.number, NOTHING, SESSIONS);
  }

  put(): void {
    this.#all(Kind.CALL, put.number, DATA, SESSIONS);
  }

  merge(): void {
    this.#all(Kind.CALL, merge.number, PATCH, SESSIONS);
  }

  touch(): void {
    this.#all(Kind.CALL, touch.number, NOTHING, SESSIONS);
  }

  list(): void {
    const entries: unknown[] = [];
    for (let slot = 0; slot < slotsUsed(this.#table); slot++) {
      const entry = entryOf(this.#table, slot, ANY);
      if (entry !== undefined) entries.push(entry);
    }
    if (entries.length !== SESSIONS) throw new Error(`${entries.length} sessions were listed`);
  }

  remove(): void {
    this.#all(Kind.CLOSE, 0, NOTHING, SESSIONS / 2);
  }

  expire(): void {
    this.#now[0] += TTL_MS + 1024;
  }

  sweep(): void {
    for (let ended = 0; ended < SESSIONS / 2; ) {
      const some = this.#executor.sweep(256);
      if (some === 0) throw new Error(`only ${ended} sessions were swept`);
      ended += some;
    }
  }

  #all(kind: Kind, operation: number, body: Uint8Array, count: number): void {
    const m = this.#message;
    const { words } = this.#keys;
    m.bodyBytes.fill(0).set(body);
    m.bodyLength = body.byteLength;
    m.kind = kind;
    m.operation = operation;
    m.flags = 0;
    this.#answers = 0;
    for (let i = 0; i < count; i++) {
      const key = this.#order[i];
      m.id0 = words[key * 4];
      m.id1 = words[key * 4 + 1];
      m.id2 = words[key * 4 + 2];
      m.id3 = words[key * 4 + 3];
      m.sessionLow = 0;
      m.sessionHigh = 0;
      m.request = 0;
      m.hash = this.#table.hash(m.id0, m.id1, m.id2, m.id3);
      this.#now[0] += TICK_MS;
      this.#executor.run(m);
    }
    if (this.#problem !== '' || this.#answers !== count) {
      throw new Error(`${this.#answers} answers of ${count}, problem ${this.#problem}`);
    }
  }
}
