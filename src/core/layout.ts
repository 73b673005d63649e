/**
 * Where everything lies in a shard's arena. Offsets in Int32 words unless a name says otherwise;
 * fields marked f64 are one Float64 at an even word.
 *
 *     header │ rows │ order │ wheel │ index │ ended │ notes │ staging │ payloads
 *
 *     row, 128 bytes; a request touches the first 64 only
 *     0   id (4)                       16  data length
 *     4   session low, high            17  reply length
 *     6   last committed request       18  data version (f64)
 *     7   flags, see RowFlag           20  created (f64)
 *     8   checksum low, high           22  rate: theoretical arrival time (64 bits)
 *     10  deadline (f64)               24  rate per second (0 = no limit), burst
 *     12  commit number (f64)          26  capabilities
 *     14  ttl ms (u32; all ones =      27  principal, low word
 *         never)
 *     15  connection token             28  in execution: the request's checksum (2), or
 *                                          a call's correlation
 *                                      30  number of the execution
 *                                      31  principal, high word (0, 0 = nobody's)
 *
 *     order entry, 16 bytes: previous slot, next slot, commit time (f64)
 *     wheel entry, 8 bytes: previous + 1, next + 1 (0 = not linked); slots, buckets, work list
 *     index entry, 8 bytes: hash, slot + 1 (0 = empty)
 *     ended entry, 32 bytes: id (4), session (2), reason + 1, principal low
 *     notes of a slot for its log, 16 bytes: see `SessionLog`; untouched without a log
 *     payload of a slot: data region, then reply region
 */
export const ROW_WORDS = 32;
export const ROW_SHIFT = 5;
export const ORDER_WORDS = 4;
export const WHEEL_WORDS = 2;
export const INDEX_WORDS = 2;
export const ENDED_WORDS = 8;
export const NOTES_WORDS = 4;

/** Buckets of the timer wheel, over its five levels. */
export const WHEEL_BUCKETS = 64 + 64 + 32 + 4 + 1;

/** Lists of the timer wheel: its buckets, then the work list. */
export const WHEEL_LISTS = WHEEL_BUCKETS + 1;

export const enum Row {
  ID0 = 0,
  ID1 = 1,
  ID2 = 2,
  ID3 = 3,
  SESSION_LOW = 4,
  SESSION_HIGH = 5,
  REQUEST = 6,
  FLAGS = 7,
  CHECKSUM_LOW = 8,
  CHECKSUM_HIGH = 9,
  DEADLINE = 10,
  COMMIT = 12,
  TTL_MS = 14,
  TOKEN = 15,
  DATA_LENGTH = 16,
  REPLY_LENGTH = 17,
  VERSION = 18,
  CREATED = 20,
  RATE_TAT = 22,
  RATE_PER_SECOND = 24,
  RATE_BURST = 25,
  CAPABILITIES = 26,
  PRINCIPAL_LOW = 27,
  EXECUTING_LOW = 28,
  EXECUTING_HIGH = 29,
  /** Which execution it is: differs from all others of the slot and of its successors. */
  PIN = 30,
  PRINCIPAL_HIGH = 31,
}

/** The flags word: single bits in its first byte, and three bytes of their own, see `RowByte`. */
export const enum RowFlag {
  LIVE = 1,
  /** Pinned: a request of this session is in execution. */
  EXECUTING = 2,
  /** No TTL; the deadline field then holds the last activity itself. */
  NEVER = 4,
  /** What executes is a call: no request joins it, and nobody's number is consumed. */
  CALL = 8,
  /** Ends with the connection that registered it. */
  CONNECTION = 16,
  /** That connection has gone: the session ends as soon as it is not pinned. */
  DOOMED = 32,
  /** It has a rate limit. */
  RATED = 64,
}

/** How far to shift the flags word for each of its bytes, and the mask of one. */
export const enum RowByte {
  /** The status of the stored reply. */
  STATUS = 8,
  /** The front end of the connection that the session last spoke on. */
  FRONT_END = 16,
  /** The runner that executes its request. */
  RUNNER = 24,
  MASK = 0xff,
}

/** The header: 256 words. The owner word has a 128-byte line of its own against false sharing. */
export const HEADER_WORDS = 256;

export const enum Header {
  FORMAT = 0,
  SHARD = 1,
  SLOTS = 2,
  INDEX_ENTRIES = 3,
  ENDED_ENTRIES = 4,
  DATA_BYTES_MAX = 5,
  REPLY_BYTES_MAX = 6,
  SEED_A = 7,
  SEED_B = 8,
  TTL_DEFAULT_MS = 9,
  STARTED = 10,
  FAILED = 11,
  /** The rate limit of sessions that asked for none of their own; 0 = none. */
  RATE_PER_SECOND = 12,
  RATE_BURST = 13,

  /** Which runner may touch this arena now; 0 = nobody. Only through Atomics. */
  OWNER = 32,

  /**
   * Live sessions, which is also what this shard has taken from the ledger, beside the places of
   * those whose end is to be written first.
   */
  LIVE = 64,
  EXECUTING = 65,
  FREE_HEAD = 66,
  HIGH_WATER = 67,
  /** How often a session was pinned, as an Int32 that wraps. */
  PINS = 74,
  /** The answer that a settled promise owes: its slot + 1, and the commits before its own (f64). */
  OWED_SLOT = 76,
  OWED_CALL = 77,
  OWED_COMMITS = 78,
  /** f64: the number of the last commit, its time, and the bound last told to the ledger. */
  COMMITS = 68,
  COMMIT_TIME = 70,
  BOUND = 72,
  /** f64: the time up to which the timer wheel has been advanced. */
  WHEEL_TIME = 80,

  /** The commit being applied: what `redo` needs when a runner died in the middle of it. */
  INTENT = 96,
  INTENT_SLOT = 97,
  INTENT_STATUS = 98,
  INTENT_REPLY_LENGTH = 99,
  INTENT_DATA_LENGTH = 100,
  INTENT_REQUEST = 101,
  INTENT_COMMIT = 102,
  INTENT_TIME = 104,
  INTENT_VERSION = 106,
  INTENT_DEADLINE = 108,
  /** Whether the commit sets the TTL, and to what. */
  INTENT_SETS_TTL = 110,
  INTENT_TTL = 111,
  /** Why a session ends. */
  INTENT_REASON = 112,

  /** f64 counters, in the order of `Counter`. */
  COUNTERS = 128,
}

export const enum Intent {
  NONE = 0,
  REQUEST = 1,
  CALL = 2,
  /** A session ends. */
  END = 3,
}

/**
 * Counters kept in the arena, so that reading them costs the hot path nothing. Whoever holds the
 * owner word adds; a reader without it may miss the last step, and by the letter of the language
 * see half of a Float64, which no 64-bit machine that Node runs on does.
 */
export const enum Counter {
  REGISTERED = 0,
  RESUMED = 1,
  REQUESTS = 2,
  CALLS = 3,
  REPLAYS = 4,
  /** Sessions ended, by `Reason`: this one and the seven after it. */
  ENDED = 8,
  /** Refusals, by `ErrorCode`: this one and as many after it as there are counters. */
  ERRORS = 16,
}

/** Counters of refusals: the header has room for more codes than there are. */
export const ERROR_COUNTERS = 32;

export const FORMAT_VERSION = 1;

/** What a shard's arena is made for. Byte limits are rounded up to whole 8-byte units inside. */
export interface ArenaConfig {
  readonly shard: number;
  readonly slots: number;
  readonly dataBytesMax: number;
  readonly replyBytesMax: number;
  readonly ttlDefaultMs: number;
  /** The default rate limit; 0 or left out = none. */
  readonly ratePerSecond?: number;
  readonly rateBurst?: number;
  /** Commit numbers, and with them session numbers, begin above this one; default 0. */
  readonly commitsBefore?: number;
  readonly seedA: number;
  readonly seedB: number;
}

/** The word offset of each region, and the total, for a given configuration. */
export interface Regions {
  readonly rows: number;
  readonly order: number;
  readonly wheel: number;
  readonly index: number;
  readonly ended: number;
  readonly notes: number;
  readonly stagedReply: number;
  readonly stagedData: number;
  readonly payloads: number;
  readonly payloadWords: number;
  readonly dataWords: number;
  readonly totalBytes: number;
}

/** Words that hold `bytes`, rounded up to an even number so that Float64 fields stay aligned. */
export function evenWords(bytes: number): number {
  return ((bytes + 7) >>> 3) << 1;
}

export function regionsOf(
  slots: number,
  indexEntries: number,
  endedEntries: number,
  dataBytesMax: number,
  replyBytesMax: number,
): Regions {
  const dataWords = evenWords(dataBytesMax);
  const replyWords = evenWords(replyBytesMax);
  const rows = HEADER_WORDS;
  const order = rows + slots * ROW_WORDS;
  const wheel = order + (slots + 1) * ORDER_WORDS;
  const index = wheel + (slots + WHEEL_LISTS) * WHEEL_WORDS;
  const ended = index + indexEntries * INDEX_WORDS;
  const notes = ended + endedEntries * ENDED_WORDS;
  const stagedReply = notes + slots * NOTES_WORDS;
  const stagedData = stagedReply + replyWords;
  const payloads = stagedData + dataWords;
  const payloadWords = dataWords + replyWords;
  const totalBytes = (payloads + slots * payloadWords) * 4;
  return {
    rows,
    order,
    wheel,
    index,
    ended,
    notes,
    stagedReply,
    stagedData,
    payloads,
    payloadWords,
    dataWords,
    totalBytes,
  };
}
