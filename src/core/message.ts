/**
 * One message on its way to a session, as plain numbers: the form in which the front end hands it
 * to a shard, directly or through a ring. There is one instance per thread, filled anew for each
 * message, so nothing is allocated per request.
 *
 * 32-bit unsigned values (request numbers, TTLs, hashes) are kept as their Int32 bit patterns, and
 * 53-bit session numbers as two words, because V8 boxes any number that is not a small integer.
 */
export const enum Kind {
  REGISTER = 1,
  REQUEST = 2,
  CLOSE = 3,
  CALL = 5,
  /** Ends sessions that have expired, a bounded number at a time. */
  SWEEP = 33,
  /** From a router: evict the oldest session if its commit is not newer than `limitMs`. */
  EVICT = 32,
}

export const enum RegisterFlag {
  /** The session has a TTL of its own in `ttlMs`; otherwise the table's default applies. */
  TTL = 1,
  /** It has a rate limit of its own; otherwise the table's default applies. */
  RATE = 2,
  /** It ends with its connection. */
  CONNECTION = 4,
  /** The body is its first data. */
  DATA = 8,
}

export const enum CloseFlag {
  /** By an operator: the reason is `removed`, and it ends whatever its session number. */
  REMOVED = 1,
  /** The connection of a connection-scoped session has gone. */
  DISCONNECTED = 2,
}

const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);

export const enum EvictFlag {
  /** Only a session that has expired anyway. */
  EXPIRED = 1,
}

export const enum SweepFlag {
  /** The first step of a sweep that is to find all that has expired by now. */
  FIRST = 1,
}

export class Message {
  kind: Kind = Kind.REQUEST;
  /** The thread and the connection that asked; replies and evictions go there. */
  frontEnd = 0;
  token = 0;
  /** Whose message it is, as `security/principal.ts` makes it; two zeros = nobody's, trusted. */
  principalLow = 0;
  principalHigh = 0;
  /** The table's seeded hash of the id, computed once where the message enters. */
  hash = 0;
  id0 = 0;
  id1 = 0;
  id2 = 0;
  id3 = 0;
  sessionLow = 0;
  sessionHigh = 0;
  /** The request number, or the correlation of a call, or a router's own reference. */
  request = 0;
  operation = 0;
  checksumLow = 0;
  checksumHigh = 0;
  flags = 0;
  ttlMs = 0;
  /** What its operation takes from the session's rate limit. */
  cost = 1;
  /** For `REGISTER` with `RegisterFlag.RATE`: requests a second, and at once. */
  ratePerSecond = 0;
  rateBurst = 0;
  /** For `REGISTER`: the capabilities asked for, a bit each in the order of the service's list. */
  capabilities = 0;
  /**
   * When the front end read the frame of a request or call: microseconds, an Int32 that wraps;
   * 0 = nobody asks. Its answer carries it back.
   */
  arrivedUs = 0;
  /** The commit time, in milliseconds, above which `EVICT` does nothing. */
  limitMs = 0;
  /**
   * The body: `bodyLength` bytes from word `bodyWord` of one memory seen two ways. The bytes
   * between the body's end and the next whole word are zero.
   */
  bodyBytes: Uint8Array = NO_BYTES;
  bodyWords: Int32Array = NO_WORDS;
  bodyWord = 0;
  bodyLength = 0;

  constructor() {
    // V8 keeps a field that ever held a fraction as a raw double in place, without boxing.
    this.limitMs = 0.5;
    this.limitMs = 0;
  }
}
