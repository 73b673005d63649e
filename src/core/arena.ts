/**
 * The arena of a shard: one SharedArrayBuffer that holds all of the shard's state, and the typed
 * views of this thread over it. Any thread may attach; only the one that holds the owner word may
 * touch what lies behind the header's first lines.
 *
 * Memory is reserved once, here. Pages that nobody has touched cost none, so an arena for many
 * sessions is small until they come.
 */
import { assert } from './assert.ts';
import { InvalidOptionError } from './errors.ts';
import {
  type ArenaConfig,
  ENDED_WORDS,
  evenWords,
  FORMAT_VERSION,
  HEADER_WORDS,
  Header,
  INDEX_WORDS,
  NOTES_WORDS,
  ORDER_WORDS,
  type Regions,
  ROW_WORDS,
  regionsOf,
  WHEEL_LISTS,
  WHEEL_WORDS,
} from './layout.ts';
import { ARENA_BYTES_MAX, ENDED_ENTRIES_MAX, SLOTS_MAX } from './limits.ts';

export class Arena {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly floats: Float64Array;

  readonly shard: number;
  readonly slots: number;
  readonly indexMask: number;
  readonly endedMask: number;
  readonly dataBytesMax: number;
  readonly replyBytesMax: number;
  readonly ttlDefaultMs: number;
  readonly seedA: number;
  readonly seedB: number;
  readonly regions: Regions;

  constructor(readonly memory: SharedArrayBuffer) {
    const words = new Int32Array(memory);
    assert(words[Header.FORMAT] === FORMAT_VERSION, 'the memory is an arena of this format');
    this.words = words;
    this.bytes = new Uint8Array(memory);
    this.floats = new Float64Array(memory);
    this.shard = words[Header.SHARD];
    this.slots = words[Header.SLOTS];
    this.indexMask = words[Header.INDEX_ENTRIES] - 1;
    this.endedMask = words[Header.ENDED_ENTRIES] - 1;
    this.dataBytesMax = words[Header.DATA_BYTES_MAX];
    this.replyBytesMax = words[Header.REPLY_BYTES_MAX];
    this.ttlDefaultMs = words[Header.TTL_DEFAULT_MS];
    this.seedA = words[Header.SEED_A];
    this.seedB = words[Header.SEED_B];
    this.regions = regionsOf(
      this.slots,
      this.indexMask + 1,
      this.endedMask + 1,
      this.dataBytesMax,
      this.replyBytesMax,
    );
    assert(
      this.regions.totalBytes === memory.byteLength,
      'the memory is as long as its header says',
    );
  }

  /** The word at which a slot's data region starts. */
  dataAt(slot: number): number {
    return this.regions.payloads + slot * this.regions.payloadWords;
  }

  /** The word at which a slot's reply region starts. */
  replyAt(slot: number): number {
    return this.regions.payloads + slot * this.regions.payloadWords + this.regions.dataWords;
  }
}

/** Reserves a shard's memory. Throws `InvalidOptionError` when it would pass `ARENA_BYTES_MAX`. */
export function createArena(config: ArenaConfig): Arena {
  assert(config.slots >= 1, 'a table has at least one slot');
  const indexEntries = powerOfTwoFrom(config.slots * 2);
  const endedEntries = Math.min(powerOfTwoFrom(config.slots), ENDED_ENTRIES_MAX);
  const { slots, dataBytesMax, replyBytesMax } = config;
  const regions = regionsOf(slots, indexEntries, endedEntries, dataBytesMax, replyBytesMax);
  if (regions.totalBytes > ARENA_BYTES_MAX || slots > SLOTS_MAX) {
    throw new InvalidOptionError(
      'sessionsMax',
      slots,
      `at most ${slotsThatFit(dataBytesMax, replyBytesMax)} a shard with these byte limits: ` +
        'take more shards, or smaller dataBytesMax and replyBytesMax',
      ['dataBytesMax', 'replyBytesMax'],
    );
  }
  const memory = new SharedArrayBuffer(regions.totalBytes);
  const words = new Int32Array(memory);
  words[Header.FORMAT] = FORMAT_VERSION;
  words[Header.SHARD] = config.shard;
  words[Header.SLOTS] = slots;
  words[Header.INDEX_ENTRIES] = indexEntries;
  words[Header.ENDED_ENTRIES] = endedEntries;
  words[Header.DATA_BYTES_MAX] = dataBytesMax;
  words[Header.REPLY_BYTES_MAX] = replyBytesMax;
  words[Header.TTL_DEFAULT_MS] = config.ttlDefaultMs | 0;
  words[Header.RATE_PER_SECOND] = config.ratePerSecond ?? 0;
  words[Header.RATE_BURST] = config.rateBurst ?? 0;
  words[Header.SEED_A] = config.seedA | 0;
  words[Header.SEED_B] = config.seedB | 0;
  new Float64Array(memory)[Header.COMMITS / 2] = config.commitsBefore ?? 0;
  return new Arena(memory);
}

/** A number of slots that fits for sure, whatever the roundings to powers of two. */
function slotsThatFit(dataBytesMax: number, replyBytesMax: number): number {
  const entriesMax = 4;
  const payloadBytes = 4 * (evenWords(dataBytesMax) + evenWords(replyBytesMax));
  const slotWords = ROW_WORDS + ORDER_WORDS + WHEEL_WORDS + NOTES_WORDS + INDEX_WORDS * entriesMax;
  const slotBytes = 4 * slotWords + payloadBytes;
  const fixedWords =
    HEADER_WORDS + ORDER_WORDS + WHEEL_LISTS * WHEEL_WORDS + ENDED_ENTRIES_MAX * ENDED_WORDS;
  return Math.floor((ARENA_BYTES_MAX - 4 * fixedWords - payloadBytes) / slotBytes);
}

function powerOfTwoFrom(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(2, count)));
}
