/**
 * What the tests of the core share: tables over fresh arenas, messages, readers of what a slot
 * holds, and the router's loop that makes room over several shards.
 */
import { type Arena, createArena } from '../../src/core/arena.ts';
import { checksumMessage } from '../../src/core/checksum.ts';
import { Admission, ERROR_NAMES, Eviction, REASON_NAMES, Verdict } from '../../src/core/codes.ts';
import { shardOf } from '../../src/core/hash.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import { Header, Row, RowByte } from '../../src/core/layout.ts';
import { createLedger, type Ledger } from '../../src/core/ledger.ts';
import { TTL_NEVER } from '../../src/core/limits.ts';
import { GIVES_PLACE } from '../../src/core/log-entry.ts';
import { Kind, Message, RegisterFlag } from '../../src/core/message.ts';
import { type AbandonedRequest, rebuild } from '../../src/core/recovery.ts';
import { SessionTable } from '../../src/core/session-table.ts';

/** The runner that test tables use unless they say otherwise. */
export const RUNNER = 1;

export interface TableOptions {
  slots?: number;
  sessionsMax?: number;
  dataBytesMax?: number;
  replyBytesMax?: number;
  ttlDefaultMs?: number;
  /** The default rate limit. */
  ratePerSecond?: number;
  rateBurst?: number;
  shard?: number;
  runner?: number;
  ledger?: Ledger;
  now?: Float64Array;
}

/** A started table over its own arena; its ledger has one shard unless one is given. */
export function makeTable(options: TableOptions = {}): SessionTable {
  const slots = options.slots ?? 8;
  const arena = createArena({
    shard: options.shard ?? 0,
    slots,
    dataBytesMax: options.dataBytesMax ?? 64,
    replyBytesMax: options.replyBytesMax ?? 64,
    ttlDefaultMs: options.ttlDefaultMs ?? 1_000,
    ratePerSecond: options.ratePerSecond ?? 0,
    rateBurst: options.rateBurst ?? 0,
    seedA: 0x1234567,
    seedB: 0x7654321,
  });
  const ledger = options.ledger ?? createLedger(1, options.sessionsMax ?? slots);
  const now = options.now ?? new Float64Array(1);
  const table = new SessionTable(arena, ledger, now, options.runner ?? RUNNER);
  table.start();
  return table;
}

/** Tables that share one ledger and one clock, as the shards of one engine do. */
export function makeShards(
  shards: number,
  sessionsMax: number,
  slots: number,
  options: TableOptions = {},
): SessionTable[] {
  const ledger = createLedger(shards, sessionsMax);
  const now = new Float64Array(1);
  const make = (shard: number) => makeTable({ ...options, shard, slots, ledger, now });
  return Array.from({ length: shards }, (_, shard) => make(shard));
}

/** The four words of a client id that stands for a small number. */
export function idWords(id: number): [number, number, number, number] {
  return [Math.imul(id, 0x9e3779b1) | 1, ~id, 0x0badcafe, id];
}

export interface MessageFields {
  id: number;
  session?: number;
  request?: number;
  operation?: number;
  body?: string | Uint8Array;
  /** Present: a TTL of its own. */
  ttlMs?: number;
  /** Of a register: a rate limit of its own, per second and burst. */
  rate?: readonly [number, number];
  cost?: number;
  capabilities?: number;
  flags?: number;
  token?: number;
  frontEnd?: number;
  kind?: Kind;
  /** Whose message it is: a number other than 0. */
  principal?: number;
}

/** A message as the front end would hand it over: hash and checksum filled, body padded. */
export function message(table: SessionTable, fields: MessageFields): Message {
  const m = new Message();
  const session = fields.session ?? 0;
  m.kind = fields.kind ?? Kind.REQUEST;
  [m.id0, m.id1, m.id2, m.id3] = idWords(fields.id);
  m.hash = table.hash(m.id0, m.id1, m.id2, m.id3);
  m.sessionLow = session | 0;
  m.sessionHigh = Math.floor(session / 2 ** 32) | 0;
  m.request = (fields.request ?? 0) | 0;
  m.operation = fields.operation ?? 1;
  m.token = fields.token ?? 0;
  m.frontEnd = fields.frontEnd ?? 0;
  m.flags = fields.flags ?? 0;
  m.cost = fields.cost ?? 1;
  m.principalLow = fields.principal ?? 0;
  m.principalHigh = Math.imul(m.principalLow, 0x9e3779b1);
  m.capabilities = fields.capabilities ?? 0;
  if (fields.ttlMs !== undefined) {
    m.flags |= RegisterFlag.TTL;
    m.ttlMs = fields.ttlMs | 0;
  }
  if (fields.rate !== undefined) {
    m.flags |= RegisterFlag.RATE;
    [m.ratePerSecond, m.rateBurst] = fields.rate;
  }
  setBody(m, toBytes(fields.body ?? ''));
  return m;
}

/** Puts a body into a message, padded with zeros to a multiple of 4, and its checksum. */
export function setBody(m: Message, body: Uint8Array): void {
  const memory = new ArrayBuffer((body.length + 3) & ~3);
  m.bodyBytes = new Uint8Array(memory);
  m.bodyBytes.set(body);
  m.bodyWords = new Int32Array(memory);
  m.bodyLength = body.length;
  checksumMessage(m);
}

export function toBytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? new TextEncoder().encode(value) : value;
}

export function register(table: SessionTable, fields: MessageFields): Admission {
  return table.register(message(table, { ...fields, kind: Kind.REGISTER }));
}

/** Registers a session that must be admitted, and returns its session number. */
export function open(table: SessionTable, id: number, ttlMs: number = TTL_NEVER): number {
  const admission = register(table, { id, ttlMs });
  if (admission !== Admission.ADMITTED) throw new Error(`admission is ${admission}`);
  return sessionOf(table, table.slot);
}

export function begin(table: SessionTable, fields: MessageFields): Verdict {
  return table.begin(message(table, fields));
}

/** Stages reply and data as a service would, then commits. Without data, data is kept. */
export function commit(
  table: SessionTable,
  slot: number,
  reply: string | Uint8Array,
  data?: string | Uint8Array,
  status = 0,
  touches = true,
  ttlMs = -1,
): void {
  const staged = stage(table.arena, reply, data);
  table.commit(slot, status, staged.replyLength, staged.dataLength, touches, ttlMs);
}

/** Commits a call. Its status and reply are never stored, so they are odd ones on purpose. */
export function commitCall(
  table: SessionTable,
  slot: number,
  data: string | Uint8Array | undefined,
  touches: boolean,
  ttlMs = -1,
): void {
  const staged = stage(table.arena, 'unstored', data);
  table.commitCall(slot, 3, staged.replyLength, staged.dataLength, touches, ttlMs);
}

export function stage(
  arena: Arena,
  reply: string | Uint8Array,
  data?: string | Uint8Array,
): { replyLength: number; dataLength: number } {
  const replyBytes = toBytes(reply);
  arena.bytes.set(replyBytes, arena.regions.stagedReply * 4);
  if (data === undefined) return { replyLength: replyBytes.length, dataLength: -1 };
  const dataBytes = toBytes(data);
  arena.bytes.set(dataBytes, arena.regions.stagedData * 4);
  return { replyLength: replyBytes.length, dataLength: dataBytes.length };
}

/** A whole request that must execute. */
export function execute(
  table: SessionTable,
  fields: MessageFields,
  reply = 'ok',
  data?: string | Uint8Array,
): void {
  const verdict = begin(table, fields);
  if (verdict !== Verdict.EXECUTE) throw new Error(`verdict is ${verdict}`);
  commit(table, table.slot, reply, data);
}

export function sessionOf(table: SessionTable, slot: number): number {
  const { words } = table.arena;
  const row = table.rowOf(slot);
  return (words[row + Row.SESSION_HIGH] >>> 0) * 2 ** 32 + (words[row + Row.SESSION_LOW] >>> 0);
}

export function requestOf(table: SessionTable, slot: number): number {
  return table.arena.words[table.rowOf(slot) + Row.REQUEST] >>> 0;
}

export function replyOf(table: SessionTable, slot: number): Uint8Array {
  const { arena } = table;
  const at = arena.replyAt(slot) * 4;
  return arena.bytes.slice(at, at + arena.words[table.rowOf(slot) + Row.REPLY_LENGTH]);
}

export function dataOf(table: SessionTable, slot: number): Uint8Array {
  const { arena } = table;
  const at = arena.dataAt(slot) * 4;
  return arena.bytes.slice(at, at + arena.words[table.rowOf(slot) + Row.DATA_LENGTH]);
}

export function statusOf(table: SessionTable, slot: number): number {
  return (table.arena.words[table.rowOf(slot) + Row.FLAGS] >>> RowByte.STATUS) & RowByte.MASK;
}

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export const liveCount = (table: SessionTable): number => table.arena.words[Header.LIVE];

/** Slots from the one that committed longest ago to the newest. */
export function orderOf(table: SessionTable): number[] {
  const slots: number[] = [];
  const { order } = table;
  let slot = order.newerThan(order.sentinel);
  while (slot !== order.sentinel) {
    slots.push(slot);
    slot = order.newerThan(slot);
  }
  return slots;
}

/** The small number whose id a slot holds. */
export function idOf(table: SessionTable, slot: number): number {
  return table.arena.words[table.rowOf(slot) + Row.ID3];
}

export const ADMISSIONS = ['admitted', 'resumed', 'no_room', 'shard_full'];
export const EVICTIONS = ['evicted', 'not_oldest', 'none'];

/** What a step answered, by name, so that a failing test reads well. */
export function named(table: SessionTable, verdict: Verdict): string {
  if (verdict === Verdict.ERROR) return `error ${ERROR_NAMES[table.errorCode]}`;
  if (verdict === Verdict.EVICTION) return `eviction ${REASON_NAMES[table.reason]}`;
  return ['execute', 'replay', 'joined'][verdict];
}

export interface Admitted {
  /** `NO_ROOM` after the loop means that every candidate was pinned. */
  readonly admission: Admission;
  readonly table: SessionTable;
  /** Ids and reasons of those evicted to make room, in order. */
  readonly victims: string[];
}

/** The router's loop: register; at `NO_ROOM` let the shard with the oldest commit evict one. */
export function admit(tables: SessionTable[], fields: MessageFields): Admitted {
  const m = message(tables[0], { ...fields, kind: Kind.REGISTER });
  const table = tables[shardOf(m.hash, tables.length)];
  const victims: string[] = [];
  for (let tries = 0; tries < 3; tries++) {
    const admission = table.register(m);
    if (admission !== Admission.NO_ROOM) return { admission, table, victims };
    const victim = evictOne(tables);
    if (victim === null) return { admission, table, victims };
    victims.push(victim);
  }
  throw new Error('nothing else runs, so one eviction makes room');
}

/** Evicts the session that committed longest ago over all shards; null when all are pinned. */
export function evictOne(tables: SessionTable[]): string | null {
  const { ledger } = tables[0];
  // Each answer but EVICTED brings the bound of one shard up to date.
  for (let tries = 0; tries <= 2 * tables.length; tries++) {
    const shard = ledger.oldestShard();
    if (shard < 0) return null;
    const table = tables[shard];
    if (table.evictOldest(ledger.lowestBoundBeside(shard)) === Eviction.EVICTED) {
      return `${table.ended.id3} ${REASON_NAMES[table.ended.reason]}`;
    }
  }
  throw new Error('the search for a victim ends');
}

/**
 * Invariants of each shard, and that the ledger counts exactly what they hold, and the places that
 * go back with ends which are to be written.
 */
export function checkShards(tables: SessionTable[]): void {
  let taken = 0;
  for (const table of tables) {
    checkInvariants(table);
    taken += liveCount(table) + placesToCome(table);
  }
  const { ledger } = tables[0];
  const coming = tables.reduce((sum, table) => sum + placesToCome(table), 0);
  if (ledger.coming !== coming) throw new Error(`${ledger.coming} places come, of ${coming}`);
  const counted = ledger.sessions();
  if (counted !== taken) throw new Error(`the ledger counts ${counted} of ${taken} places`);
}

/** How many places of ended sessions go back to the ledger when their ends are on disk. */
export function placesToCome({ ledger, log }: SessionTable): number {
  if (!ledger.defers || log === undefined) return 0;
  return log.buffer.countMarked(log.buffer.position, GIVES_PLACE);
}

/**
 * Options of a fast-check run: a fixed seed, which FC_SEED overrides, and FC_TIMES as many runs. A
 * failure prints the seed.
 */
export function runs(count: number): { seed: number; numRuns: number } {
  const { FC_SEED = 7377, FC_TIMES = 1 } = process.env;
  return { seed: Number(FC_SEED), numRuns: count * Number(FC_TIMES) };
}

/** A small deterministic generator (mulberry32), for runs that fast-check need not shrink. */
export function random(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Rebuilds a table as its next runner would, and gives up what the dead one was executing. */
export function recovered(table: SessionTable, deadRunner: number): AbandonedRequest[] {
  const abandoned = rebuild(table, deadRunner);
  for (const { slot } of abandoned) table.abort(slot);
  return abandoned;
}
