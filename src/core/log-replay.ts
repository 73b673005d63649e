/**
 * Brings tables back from the entries of a log: the last entry about a session counts. Feed it all
 * entries in the order in which they were written, then `finish`.
 *
 * Only for tables that nobody uses yet. Allocates, as recovery may.
 */
import type { Arena } from './arena.ts';
import { copyWords } from './copy.ts';
import { CorruptLogError, InvalidOptionError } from './errors.ts';
import { shardOf } from './hash.ts';
import { evenWords, Header, ORDER_WORDS, Row, RowByte, RowFlag } from './layout.ts';
import { TTL_NEVER } from './limits.ts';
import { EndEntry, Entry, EntryKind, EntryPart } from './log-entry.ts';
import { touchLogMs } from './session-log.ts';
import type { SessionTable } from './session-table.ts';

/** The flags of a session that a log keeps: what executed has not been committed. */
const KEPT_FLAGS =
  RowFlag.LIVE |
  RowFlag.NEVER |
  RowFlag.CONNECTION |
  RowFlag.RATED |
  (RowByte.MASK << RowByte.STATUS);

/** During a replay this word of a row says which payloads have not been met. */
const MISSING = Row.EXECUTING_LOW;

export class LogReplay {
  /** The highest commit number met: those to come must be above it. */
  commits = 0;
  /** Entries applied. */
  entries = 0;
  /** Sessions that found no slot: the tables are too small for the log. */
  overflow = 0;

  /**
   * @param tables where sessions go, by the hash of their id
   * @param rowsOnly leaves data and replies out, for tables that have no room for them
   * @param survivors applies only entries of sessions that live in these tables
   */
  constructor(
    readonly tables: readonly SessionTable[],
    readonly rowsOnly: boolean,
    readonly survivors?: readonly SessionTable[],
  ) {}

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
    if (kind === EntryKind.STATE) this.#state(words, floats, at, shiftMs, segment);
    else if (kind === EntryKind.END) this.#end(words, floats, at);
    else throw new CorruptLogError(`an entry of the unknown kind ${kind}`);
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
    if (this.survivors !== undefined && !isLive(this.survivors, words, from)) return;
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
    for (let i = 0; i < Row.GENERATION; i++) to[row + i] = words[from + i];
    to[row + Row.FLAGS] &= KEPT_FLAGS;
    to[row + Row.TOKEN] = 0;
    arena.floats[(row + Row.DEADLINE) >> 1] += shiftMs;
    arena.floats[(row + Row.CREATED) >> 1] += shiftMs;
    const time = (arena.regions.order + slot * ORDER_WORDS) / 2 + 1;
    arena.floats[time] = floats[(at + Entry.TIME) >> 1] + shiftMs;
    if (!this.rowsOnly) table.log?.found(slot, segment, isWhole(words, at));
  }

  /**
   * Copies data and reply, where the entry has them. What it leaves out is there, or lay in a
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
    fits('dataBytesMax', dataLength, arena.dataBytesMax);
    fits('replyBytesMax', replyLength, arena.replyBytesMax);
    const hasData = (parts & EntryPart.DATA) !== 0;
    const hasReply = (parts & EntryPart.REPLY) !== 0;
    const keptData = isSame ? arena.words[row + Row.DATA_LENGTH] : 0;
    const keptReply = isSame ? arena.words[row + Row.REPLY_LENGTH] : 0;
    const before = isSame ? arena.words[row + MISSING] : 0;
    const missesData = !hasData && (dataLength !== keptData || (before & EntryPart.DATA) !== 0);
    const missesReply =
      !hasReply && (replyLength !== keptReply || (before & EntryPart.REPLY) !== 0);
    arena.words[row + MISSING] =
      (missesData ? EntryPart.DATA : 0) | (missesReply ? EntryPart.REPLY : 0);
    const dataWords = hasData ? evenWords(dataLength) : 0;
    const length = Entry.PAYLOADS + dataWords + (hasReply ? evenWords(replyLength) : 0);
    if (length !== words[at]) throw new CorruptLogError('the payloads are not as long as said');
    const payloads = at + Entry.PAYLOADS;
    if (hasData) copyWords(words, payloads, arena.words, arena.dataAt(slot), dataLength);
    if (!hasReply) return;
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
    for (const table of this.tables) {
      const { words } = table.arena;
      for (let slot = 0; slot < words[Header.HIGH_WATER]; slot++) {
        const flags = words[table.rowOf(slot) + Row.FLAGS];
        if ((flags & RowFlag.LIVE) === 0 || (flags & RowFlag.CONNECTION) === 0) continue;
        drop(table, slot);
        dropped += 1;
      }
    }
    return dropped;
  }

  /** Takes the sessions out that committed longest ago, until `count` are left. */
  keepNewest(count: number): number {
    const ages: { table: SessionTable; slot: number; time: number; commit: number }[] = [];
    for (const table of this.tables) {
      for (const slot of liveByCommit(table, false)) {
        const commit = table.arena.floats[(table.rowOf(slot) + Row.COMMIT) >> 1];
        ages.push({ table, slot, time: table.order.timeOf(slot), commit });
      }
    }
    const surplus = Math.max(0, ages.length - count);
    if (surplus === 0) return 0;
    ages.sort((a, b) => a.time - b.time || a.commit - b.commit);
    for (const { table, slot } of ages.slice(0, surplus)) drop(table, slot);
    return surplus;
  }

  /**
   * Makes the tables whole: order, wheel, counts and ledger.
   *
   * @param commitsBefore commit numbers to come are above this one
   * @param renumbers whether sessions of several logs came together, whose commit numbers are not
   *     comparable: they get new ones, in the order of their times
   */
  finish(commitsBefore: number, renumbers: boolean): number {
    let sessions = 0;
    for (const table of this.tables) sessions += settle(table, commitsBefore, renumbers);
    return sessions;
  }
}

function settle(table: SessionTable, commitsBefore: number, renumbers: boolean): number {
  const { words, floats, regions } = table.arena;
  const now = table.now[0];
  const live = liveByCommit(table, renumbers);
  let commit = commitsBefore;
  for (const slot of live) {
    const row = table.rowOf(slot);
    if (words[row + MISSING] !== 0) {
      throw new CorruptLogError('the data or reply of a session is in none of the segments');
    }
    // A wall clock that was set back would make them come from the future.
    const time = Math.min(floats[(regions.order + slot * ORDER_WORDS) / 2 + 1], now);
    table.order.append(slot, time);
    if (renumbers) {
      commit += 1;
      floats[(row + Row.COMMIT) >> 1] = commit;
    }
    const ttl = words[row + Row.TTL_MS] >>> 0;
    const deadline = (row + Row.DEADLINE) >> 1;
    const latest = ttl === TTL_NEVER ? now : now + ttl;
    const slack = ttl === TTL_NEVER ? 0 : touchLogMs(ttl);
    floats[deadline] = Math.min(floats[deadline] + slack, latest);
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
 * Slots of live sessions, the one that committed longest ago first. In a log of their own the
 * numbers of the commits say so, and times that tell another story are corrected: the wall clock
 * was set in between.
 */
function liveByCommit(table: SessionTable, isOfSeveralLogs: boolean): Uint32Array {
  const { words, floats, regions } = table.arena;
  const highWater = words[Header.HIGH_WATER];
  const live = new Uint32Array(highWater);
  let count = 0;
  for (let slot = 0; slot < highWater; slot++) {
    if ((words[table.rowOf(slot) + Row.FLAGS] & RowFlag.LIVE) !== 0) live[count++] = slot;
  }
  const commitOf = (slot: number): number => floats[(table.rowOf(slot) + Row.COMMIT) >> 1];
  const slots = live.subarray(0, count);
  if (isOfSeveralLogs) {
    return slots.sort(
      (a, b) => table.order.timeOf(a) - table.order.timeOf(b) || commitOf(a) - commitOf(b),
    );
  }
  slots.sort((a, b) => commitOf(a) - commitOf(b));
  let latest = Number.NEGATIVE_INFINITY;
  for (const slot of slots) {
    latest = Math.max(latest, table.order.timeOf(slot));
    floats[(regions.order + slot * ORDER_WORDS) / 2 + 1] = latest;
  }
  return slots;
}

function drop(table: SessionTable, slot: number): void {
  const { words } = table.arena;
  table.index.remove(hashAt(table, words, table.rowOf(slot)), slot);
  table.pool.give(slot);
}

function isWhole(words: Int32Array, at: number): boolean {
  const parts = words[at + 1];
  const from = at + Entry.ROW;
  const hasData = (parts & EntryPart.DATA) !== 0 || words[from + Row.DATA_LENGTH] === 0;
  return hasData && ((parts & EntryPart.REPLY) !== 0 || words[from + Row.REPLY_LENGTH] === 0);
}

function fits(option: string, length: number, max: number): void {
  if (length <= max) return;
  throw new InvalidOptionError(option, max, `at least ${length}: a stored session has so much`);
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

/** Whether the very session of an entry lives in one of the tables. */
function isLive(tables: readonly SessionTable[], words: Int32Array, from: number): boolean {
  const table = tableOf(tables, words, from);
  const slot = find(table, words, from);
  if (slot < 0) return false;
  const row = table.rowOf(slot);
  return (
    table.arena.words[row + Row.SESSION_LOW] === words[from + Row.SESSION_LOW] &&
    table.arena.words[row + Row.SESSION_HIGH] === words[from + Row.SESSION_HIGH]
  );
}
