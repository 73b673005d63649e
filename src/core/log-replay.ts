/**
 * Brings tables back from the entries of a log: the last entry about a session counts. Feed it all
 * entries in the order in which they were written, then `finish`.
 *
 * Only for tables that nobody uses yet. Allocates, as recovery may.
 */
import type { Arena } from './arena.ts';
import { Reason } from './codes.ts';
import { copyWords } from './copy.ts';
import { CorruptLogError } from './errors.ts';
import { shardOf } from './hash.ts';
import { evenWords, Header, ORDER_WORDS, Row, RowByte, RowFlag } from './layout.ts';
import { TTL_NEVER } from './limits.ts';
import { checkEnd, checkState, fits, isWhole } from './log-checks.ts';
import { bindLogged, END_ID_WORDS, EndEntry, Entry, EntryKind, EntryPart } from './log-entry.ts';
import { touchLogMs } from './session-log.ts';
import type { SessionTable } from './session-table.ts';

/** The flags of a session that a log keeps: what executed has not been committed. */
const KEPT_FLAGS =
  RowFlag.LIVE |
  RowFlag.NEVER |
  RowFlag.CONNECTION |
  RowFlag.RATED |
  (RowByte.MASK << RowByte.STATUS);

/** By how much commits are apart whose times were moved: the clock's own step or more. */
const APART_MS = 2 ** -16;

/** During a replay this word of a row says which payloads have not been met. */
const MISSING = Row.EXECUTING_LOW;

export class LogReplay {
  /** The highest commit number met: those to come must be above it. */
  commits = 0;
  /** Entries applied. */
  entries = 0;
  /** Sessions that found no slot: the tables are too small for the log. */
  overflow = 0;
  /** By table: ids and numbers of sessions taken out, whose ends are yet to be logged. */
  readonly takenOut: { ids: number[]; reasons: Reason[] }[];

  /**
   * @param tables where sessions go, by the hash of their id
   * @param rowsOnly leaves data and replies out, for tables that have no room for them
   * @param survivors applies only entries of sessions that live in these tables, which have
   *     been put in order
   */
  constructor(
    readonly tables: readonly SessionTable[],
    readonly rowsOnly: boolean,
    readonly survivors?: readonly SessionTable[],
  ) {
    this.takenOut = tables.map(() => ({ ids: [], reasons: [] }));
  }

  /**
   * Applies the entry at a word; returns its words. Throws `CorruptLogError` when it is none, and
   * `InvalidOptionError` when its payloads are longer than the tables take.
   *
   * @param end the word after the last entry
   * @param shiftMs a whole number that makes times of the log times of this engine's clock
   * @param segment where the entry lies
   */
  apply(
    words: Int32Array,
    floats: Float64Array,
    at: number,
    end: number,
    shiftMs: number,
    segment: number,
  ): number {
    const total = words[at];
    const kind = words[at + 1] & EntryKind.MASK;
    const least = kind === EntryKind.STATE ? Entry.PAYLOADS : EndEntry.WORDS;
    if ((total & 1) !== 0 || total < least || total > end - at) {
      throw new CorruptLogError(`an entry of ${total} words among ${end - at}`);
    }
    if (kind === EntryKind.STATE) {
      checkState(words, floats, at, shiftMs);
      this.#state(words, floats, at, shiftMs, segment);
    } else if (kind === EntryKind.END) {
      checkEnd(floats, at);
      this.#end(words, floats, at);
    } else throw new CorruptLogError(`an entry of the unknown kind ${kind}`);
    this.entries += 1;
    return total;
  }

  #state(
    words: Int32Array,
    floats: Float64Array,
    at: number,
    shiftMs: number,
    segment: number,
  ): void {
    const from = at + Entry.ROW;
    const commit = floats[(from + Row.COMMIT) >> 1];
    if (commit > this.commits) this.commits = commit;
    const survivor = this.survivors === undefined ? -1 : survivorAt(this.survivors, words, from);
    if (this.survivors !== undefined && survivor < 0) return;
    const table = tableOf(this.tables, words, from);
    const slot = this.#slotFor(table, words, from);
    if (slot < 0) return;
    const { arena } = table;
    const row = table.rowOf(slot);
    const to = arena.words;
    const isSame =
      to[row + Row.SESSION_LOW] === words[from + Row.SESSION_LOW] &&
      to[row + Row.SESSION_HIGH] === words[from + Row.SESSION_HIGH] &&
      (to[row + Row.FLAGS] & RowFlag.LIVE) !== 0;
    if (!this.rowsOnly) this.#payloads(arena, slot, row, isSame, words, at);
    for (let i = 0; i < Row.PRINCIPAL_LOW; i++) to[row + i] = words[from + i];
    to[row + Row.FLAGS] &= KEPT_FLAGS;
    to[row + Row.TOKEN] = 0;
    bindLogged(to, row, words, at);
    arena.floats[(row + Row.DEADLINE) >> 1] += shiftMs;
    arena.floats[(row + Row.CREATED) >> 1] += shiftMs;
    const time = (arena.regions.order + slot * ORDER_WORDS) / 2 + 1;
    arena.floats[time] = floats[(at + Entry.TIME) >> 1] + shiftMs;
    if (survivor >= 0) this.#keepTimes(table, slot, survivor);
    if (!this.rowsOnly) table.log?.found(slot, segment, isWhole(words, at));
  }

  /** Takes the times of a survivor, which were put in order with those of its log. */
  #keepTimes(table: SessionTable, slot: number, survivor: number): void {
    const { floats, regions } = table.arena;
    const row = table.rowOf(slot);
    const from = tableOf(this.survivors!, table.arena.words, row);
    floats[(regions.order + slot * ORDER_WORDS) / 2 + 1] = from.order.timeOf(survivor);
    const created = from.arena.floats[(from.rowOf(survivor) + Row.CREATED) >> 1];
    floats[(row + Row.CREATED) >> 1] = created;
  }

  /**
   * Copies data and reply, where the entry has them and they are not too long: whether a session
   * that is left has ones that are, `finish` finds out. What it leaves out is there, or lay in a
   * segment that was dropped: then a later entry has it, or the log is not whole.
   */
  #payloads(
    arena: Arena,
    slot: number,
    row: number,
    isSame: boolean,
    words: Int32Array,
    at: number,
  ): void {
    const from = at + Entry.ROW;
    const parts = words[at + 1];
    const dataLength = words[from + Row.DATA_LENGTH];
    const replyLength = words[from + Row.REPLY_LENGTH];
    const isLongData = dataLength > arena.dataBytesMax;
    const isLongReply = replyLength > arena.replyBytesMax;
    const hasData = (parts & EntryPart.DATA) !== 0;
    const hasReply = (parts & EntryPart.REPLY) !== 0;
    const keptData = isSame ? arena.words[row + Row.DATA_LENGTH] : 0;
    const keptReply = isSame ? arena.words[row + Row.REPLY_LENGTH] : 0;
    const before = isSame ? arena.words[row + MISSING] : 0;
    const missesData =
      isLongData || (!hasData && (dataLength !== keptData || (before & EntryPart.DATA) !== 0));
    const missesReply =
      isLongReply || (!hasReply && (replyLength !== keptReply || (before & EntryPart.REPLY) !== 0));
    arena.words[row + MISSING] =
      (missesData ? EntryPart.DATA : 0) | (missesReply ? EntryPart.REPLY : 0);
    const dataWords = hasData ? evenWords(dataLength) : 0;
    const length = Entry.PAYLOADS + dataWords + (hasReply ? evenWords(replyLength) : 0);
    if (length !== words[at]) throw new CorruptLogError('the payloads are not as long as said');
    const payloads = at + Entry.PAYLOADS;
    if (hasData && !isLongData) {
      copyWords(words, payloads, arena.words, arena.dataAt(slot), dataLength);
    }
    if (!hasReply || isLongReply) return;
    copyWords(words, payloads + dataWords, arena.words, arena.replyAt(slot), replyLength);
  }

  /** The slot of an id, a new one if it has none yet; −1 when all are in use. */
  #slotFor(table: SessionTable, words: Int32Array, from: number): number {
    const found = find(table, words, from);
    if (found >= 0) return found;
    const slot = table.pool.take();
    if (slot < 0) {
      this.overflow += 1;
      return -1;
    }
    // Nothing of whoever had the slot before counts.
    table.arena.words[table.rowOf(slot) + Row.FLAGS] = 0;
    table.index.insert(hashAt(table, words, from), slot);
    return slot;
  }

  #end(words: Int32Array, floats: Float64Array, at: number): void {
    const commits = floats[(at + EndEntry.COMMITS) >> 1];
    if (commits > this.commits) this.commits = commits;
    const from = at + EndEntry.ID;
    const table = tableOf(this.tables, words, from);
    const slot = find(table, words, from);
    if (slot < 0) return;
    const to = table.arena.words;
    const row = table.rowOf(slot);
    if (to[row + Row.SESSION_LOW] !== words[from + Row.SESSION_LOW]) return;
    if (to[row + Row.SESSION_HIGH] !== words[from + Row.SESSION_HIGH]) return;
    table.index.remove(hashAt(table, words, from), slot);
    table.pool.give(slot);
  }

  /** Takes the sessions out that ended with the connection they were bound to. */
  dropConnectionScoped(): number {
    let dropped = 0;
    for (const [index, table] of this.tables.entries()) {
      const { words } = table.arena;
      for (let slot = 0; slot < words[Header.HIGH_WATER]; slot++) {
        const flags = words[table.rowOf(slot) + Row.FLAGS];
        if ((flags & RowFlag.LIVE) === 0 || (flags & RowFlag.CONNECTION) === 0) continue;
        this.#takeOut(index, slot, Reason.DISCONNECTED);
        dropped += 1;
      }
    }
    return dropped;
  }

  /** Takes the sessions out that committed longest ago, until `count` are left. */
  keepNewest(count: number): number {
    const ages: { index: number; slot: number; time: number; commit: number }[] = [];
    for (const [index, table] of this.tables.entries()) {
      for (const slot of liveInOrder(table)) {
        const commit = table.arena.floats[(table.rowOf(slot) + Row.COMMIT) >> 1];
        ages.push({ index, slot, time: table.order.timeOf(slot), commit });
      }
    }
    const surplus = Math.max(0, ages.length - count);
    if (surplus === 0) return 0;
    ages.sort((a, b) => a.time - b.time || a.commit - b.commit);
    for (const { index, slot } of ages.slice(0, surplus)) {
      this.#takeOut(index, slot, Reason.EVICTED);
    }
    return surplus;
  }

  #takeOut(index: number, slot: number, reason: Reason): void {
    const table = this.tables[index];
    const { words } = table.arena;
    const row = table.rowOf(slot);
    if (table.log !== undefined) {
      for (let i = 0; i < END_ID_WORDS; i++) this.takenOut[index].ids.push(words[row + i]);
      this.takenOut[index].reasons.push(reason);
    }
    table.index.remove(hashAt(table, words, row), slot);
    table.pool.give(slot);
  }

  /**
   * Makes the tables whole: order, wheel, counts and ledger.
   *
   * @param commitsBefore commit numbers to come are above this one
   * @param renumbers whether sessions of several logs came together, whose commit numbers are not
   *     comparable: they get new ones, in the order of their times
   */
  finish(commitsBefore: number, renumbers: boolean): number {
    checkLengths(this.tables);
    let sessions = 0;
    for (const table of this.tables) sessions += settle(table, commitsBefore, renumbers);
    const counts = this.tables.map(({ arena }) => arena.floats[Header.COMMITS / 2]);
    // All count from the same number on, which is that of the engine.
    for (const table of this.tables) {
      table.arena.floats[Header.COMMITS / 2] = Math.max(...counts);
      if (table.log !== undefined) table.log.buffer.loggedCommits = Math.max(...counts);
    }
    return sessions;
  }
}

function settle(table: SessionTable, commitsBefore: number, renumbers: boolean): number {
  const { words, floats } = table.arena;
  const now = table.now[0];
  const live = renumbers ? liveByTime(table) : liveInOrder(table);
  let commit = commitsBefore;
  let last = 0;
  for (const slot of live) {
    const row = table.rowOf(slot);
    if (words[row + MISSING] !== 0) {
      throw new CorruptLogError('the data or reply of a session is in none of the segments');
    }
    const number = floats[(row + Row.COMMIT) >> 1];
    if (!renumbers && number === last) throw new CorruptLogError('two sessions of one commit');
    last = number;
    table.order.append(slot, table.order.timeOf(slot));
    if (renumbers) {
      commit += 1;
      floats[(row + Row.COMMIT) >> 1] = commit;
    }
    const ttl = words[row + Row.TTL_MS] >>> 0;
    const deadline = (row + Row.DEADLINE) >> 1;
    const latest = ttl === TTL_NEVER ? now : now + ttl;
    // Never more than a touch right now would give, and whole ms, as it is taken off again.
    const room = Math.floor(latest - floats[deadline]);
    const slack = ttl === TTL_NEVER ? 0 : Math.max(0, Math.min(touchLogMs(ttl), room));
    floats[deadline] = Math.min(floats[deadline] + slack, latest);
    table.log?.allowed(slot, slack);
    if (ttl !== TTL_NEVER) table.wheel.schedule(slot);
  }
  const oldest = live.length === 0 ? Number.POSITIVE_INFINITY : table.order.timeOf(live[0]);
  words[Header.LIVE] = live.length;
  floats[Header.COMMITS / 2] = commit;
  floats[Header.COMMIT_TIME / 2] = now;
  floats[Header.BOUND / 2] = oldest;
  table.ledger.restore(table.arena.shard, live.length, oldest);
  if (table.log !== undefined) table.log.buffer.loggedCommits = commit;
  return live.length;
}

/**
 * Slots of the live sessions of one log, the one that committed longest ago first. A time of day
 * that was set back, since or while the log was written, makes some seem to have committed after
 * those that came later, or in the future: all times of such a session are moved back.
 */
function liveInOrder(table: SessionTable): Uint32Array {
  const { floats, regions } = table.arena;
  const commitOf = (slot: number): number => floats[(table.rowOf(slot) + Row.COMMIT) >> 1];
  const live = liveSlots(table).sort((a, b) => commitOf(a) - commitOf(b));
  let latest = table.now[0];
  for (let i = live.length - 1; i >= 0; i--) {
    const time = table.order.timeOf(live[i]);
    if (time <= latest) {
      latest = time;
      continue;
    }
    // Apart, as all commits are, so that they keep their order among those of other logs.
    latest -= APART_MS;
    const late = time - latest;
    floats[(regions.order + live[i] * ORDER_WORDS) / 2 + 1] = latest;
    floats[(table.rowOf(live[i]) + Row.CREATED) >> 1] -= late;
  }
  return live;
}

/** The same of sessions of several logs, whose times are in order. */
function liveByTime(table: SessionTable): Uint32Array {
  const { floats } = table.arena;
  const commitOf = (slot: number): number => floats[(table.rowOf(slot) + Row.COMMIT) >> 1];
  const { order } = table;
  return liveSlots(table).sort(
    (a, b) => order.timeOf(a) - order.timeOf(b) || commitOf(a) - commitOf(b),
  );
}

function liveSlots(table: SessionTable): Uint32Array {
  const { words } = table.arena;
  const highWater = words[Header.HIGH_WATER];
  const live = new Uint32Array(highWater);
  let count = 0;
  for (let slot = 0; slot < highWater; slot++) {
    if ((words[table.rowOf(slot) + Row.FLAGS] & RowFlag.LIVE) !== 0) live[count++] = slot;
  }
  return live.subarray(0, count);
}

/** Whether all data and replies that are left fit; says what the longest needs. */
function checkLengths(tables: readonly SessionTable[]): void {
  let data = 0;
  let reply = 0;
  for (const table of tables) {
    const { words } = table.arena;
    for (const slot of liveSlots(table)) {
      data = Math.max(data, words[table.rowOf(slot) + Row.DATA_LENGTH]);
      reply = Math.max(reply, words[table.rowOf(slot) + Row.REPLY_LENGTH]);
    }
  }
  const { dataBytesMax, replyBytesMax } = tables[0].arena;
  fits('dataBytesMax', data, dataBytesMax);
  fits('replyBytesMax', reply, replyBytesMax);
}

function hashAt(table: SessionTable, words: Int32Array, from: number): number {
  return table.hash(words[from], words[from + 1], words[from + 2], words[from + 3]);
}

function tableOf(tables: readonly SessionTable[], words: Int32Array, from: number): SessionTable {
  return tables[shardOf(hashAt(tables[0], words, from), tables.length)];
}

function find(table: SessionTable, words: Int32Array, from: number): number {
  const hash = hashAt(table, words, from);
  return table.index.find(hash, words[from], words[from + 1], words[from + 2], words[from + 3]);
}

/** Where the very session of an entry lives in its table; −1 when it does not. */
function survivorAt(tables: readonly SessionTable[], words: Int32Array, from: number): number {
  const table = tableOf(tables, words, from);
  const slot = find(table, words, from);
  if (slot < 0) return -1;
  const row = table.rowOf(slot);
  const isSame =
    table.arena.words[row + Row.SESSION_LOW] === words[from + Row.SESSION_LOW] &&
    table.arena.words[row + Row.SESSION_HIGH] === words[from + Row.SESSION_HIGH];
  return isSame ? slot : -1;
}
