/**
 * The numbers that stand for verdicts, statuses, error codes and eviction reasons inside the
 * engine, beside the names that users see. Numbers travel through rows and rings; names only
 * appear where a frame or an error object is made.
 */

/** Status of a committed reply, as on the wire. */
export const enum Status {
  OK = 0,
  FAILED = 1,
  CONFLICT = 2,
  UNKNOWN_OPERATION = 3,
  INVALID_BODY = 4,
  TOO_LARGE = 5,
}

export const STATUS_NAMES = [
  'ok',
  'failed',
  'conflict',
  'unknown_operation',
  'invalid_body',
  'too_large',
] as const;
export type StatusName = (typeof STATUS_NAMES)[number];

/** Why a session ended, or why a message does not belong to a live one. */
export const enum Reason {
  NO_SESSION = 0,
  SESSION_TOO_LOW = 1,
  EVICTED = 2,
  EXPIRED = 3,
  CLOSED = 4,
  DISCONNECTED = 5,
  REMOVED = 6,
}

export const REASON_NAMES = [
  'no_session',
  'session_too_low',
  'evicted',
  'expired',
  'closed',
  'disconnected',
  'removed',
] as const;
export type ReasonName = (typeof REASON_NAMES)[number];

/** Errors. None of them executes anything, consumes a request number or changes a session. */
export const enum ErrorCode {
  SESSION_TOO_HIGH = 0,
  REQUEST_MISMATCH = 1,
  REQUEST_STALE = 2,
  REQUEST_GAP = 3,
  REQUEST_IN_FLIGHT = 4,
  REQUESTS_EXHAUSTED = 5,
  RATE_LIMITED = 6,
  SESSIONS_EXHAUSTED = 7,
  SERVER_BUSY = 8,
  BODY_TOO_LARGE = 9,
  UNKNOWN_OPERATION = 10,
  INVALID_OPTIONS = 11,
  FORBIDDEN = 12,
  STORAGE_FAILED = 13,
  SHUTTING_DOWN = 14,
  NO_SESSION = 15,
  EXPIRED = 16,
  MALFORMED_FRAME = 17,
  FRAME_TOO_LARGE = 18,
  UNSUPPORTED_VERSION = 19,
  HELLO_REQUIRED = 20,
  UNAUTHORIZED = 21,
  TLS_REQUIRED = 22,
  TIMED_OUT = 23,
}

export const ERROR_NAMES = [
  'session_too_high',
  'request_mismatch',
  'request_stale',
  'request_gap',
  'request_in_flight',
  'requests_exhausted',
  'rate_limited',
  'sessions_exhausted',
  'server_busy',
  'body_too_large',
  'unknown_operation',
  'invalid_options',
  'forbidden',
  'storage_failed',
  'shutting_down',
  'no_session',
  'expired',
  'malformed_frame',
  'frame_too_large',
  'unsupported_version',
  'hello_required',
  'unauthorized',
  'tls_required',
  'timed_out',
] as const;
export type ErrorName = (typeof ERROR_NAMES)[number];

/** What each error tells the person who meets it, and what to do about it. */
export const ERROR_MESSAGES: readonly string[] = [
  'the session number is above that of the live session; register again to learn the right one',
  'this request number was committed with another operation or body; use the next number',
  'a later request was committed already; this one is too old to answer',
  'the request number skips one; send the number after the last committed request',
  'another request is executing on this session; wait for its reply',
  'the last request number was used; close the session and register again',
  'too many requests for this session; wait retry_after_ms',
  'every session is in use and the server does not evict; try again later',
  'the server cannot take this now; send it again with the same number',
  'the body is larger than body_bytes_max',
  'the service has no such operation; welcome lists those it has',
  'an option has a wrong type or value',
  'not allowed',
  'the journal cannot be written; nothing was executed',
  'the server is stopping; reconnect and send it again with the same number',
  'there is no live session with this id; register first',
  'the session expired; register again',
  'the frame is not what the protocol describes',
  'the frame is longer than frame_bytes_max',
  'this protocol version is not supported; say hello with version 1',
  'the first frame must be hello',
  'the token was not accepted',
  'this port speaks TLS only; connect with TLS',
  'nothing came in time; connect again',
];

/** What `begin` found: how a sequenced request must be answered. */
export const enum Verdict {
  /** The caller executes it now, then commits or aborts. The session is pinned until then. */
  EXECUTE = 0,
  /** The stored reply answers it. */
  REPLAY = 1,
  /** It is executing already; its reply goes to the connection that asked last. */
  JOINED = 2,
  /** No session to execute it on: an eviction with the table's `reason`. */
  EVICTION = 3,
  /** An error with the table's `errorCode`. */
  ERROR = 4,
}

/** What `register` found. */
export const enum Admission {
  ADMITTED = 0,
  RESUMED = 1,
  /** The global limit is reached: evict one somewhere, then ask again. */
  NO_ROOM = 2,
  /** This shard's own slots are full although the global limit is not: see `shardSlots`. */
  SHARD_FULL = 3,
  /** Nothing can be logged now, so nobody is admitted. */
  NO_STORAGE = 4,
  /** The live session of this id is somebody else's. */
  FORBIDDEN = 5,
}

/** What `evictOldest` found. */
export const enum Eviction {
  EVICTED = 0,
  /** A session of another shard may be older; the bound of this shard was refreshed. */
  NOT_OLDEST = 1,
  /** No session here can be evicted: none is live or each is executing. */
  NONE = 2,
  /** Only an expired one was asked for, and the oldest of all has not expired. */
  NOT_EXPIRED = 3,
}
