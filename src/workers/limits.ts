/**
 * The bounds of threads and rings, each with its reason.
 */

/** Messages that a shard runs before it lets go of the owner word: about 50 µs of work. */
export const BATCH_MESSAGES_MAX = 256;

/** Expired sessions that are ended at a time, between messages: about 50 µs of work. */
export const SWEEP_BATCH_MAX = 256;

/** How long a reading of the wall clock serves, which only `info` shows. */
export const WALL_CLOCK_MS = 1_000;

/** How often a shard looks for expired sessions: a fraction of the second within which it must. */
export const SWEEP_INTERVAL_MS = 128;

/** Promises in execution per thread: a pinned session each, and a body, reply and data buffer. */
export const EXECUTIONS_MAX = 256;

/** A ring holds at least so many of its longest records, so that a batch is worth a wake-up. */
export const RING_RECORDS_MIN = 64;

/** With promises, room for two answers of each is kept, and for those of a message beside them. */
export const RING_RECORDS_ASYNC = 2 * EXECUTIONS_MAX + 8;

/** Sessions of one page: some 1.5 MB as msgpack. */
export const LIST_LIMIT_MAX = 10_000;
export const LIST_LIMIT_DEFAULT = 100;

/** Rows read while holding a shard for a list: below a millisecond. */
export const LIST_ROWS_MAX = 2_048;

/** How long a stopping engine waits for promises in execution before it ends the workers. */
export const STOP_TIMEOUT_MS = 10_000;

/** The smallest ring, in words: 1 MiB, a thousand requests with small bodies. */
export const RING_WORDS_MIN = 2 ** 18;

/** The smallest log buffer, in words: 4 MiB, some thousand commits while a batch is written. */
export const LOG_BUFFER_WORDS_MIN = 2 ** 20;

/** A log buffer holds at least so many of its longest entries, so that a batch is worth a sync. */
export const LOG_BUFFER_ENTRIES_MIN = 32;

/** The longest ring, in words: an Int32Array of 1 GiB. Larger payloads are refused at start. */
export const RING_WORDS_MAX = 2 ** 28;

/** A worker that finds nothing polls on for so long before it sleeps: about four wake-ups' cost. */
export const IDLE_POLL_MS = 0.1;

/** The same for a worker that does not go through the event loop: a look takes some 25 ns. */
export const IDLE_LOOKS_MAX = 4_096;

/** How long such a worker stays away from the event loop, where what a service printed waits. */
export const STAY_MS = 50;

/** The longest sleep: nothing depends on it, it only bounds how late a timeout is noticed. */
export const SLEEP_MS = 50;

/** Registers of one front end that wait for a shard or room, a power of two; more wait unread. */
export const PENDING_REGISTERS_MAX = 2 ** 8;

/**
 * Steps of one register before it is refused: each other pending one, and some that come later, may
 * take the place that an eviction made, and each such round is two steps or more.
 */
export const REGISTER_TRIES_MAX = 16 * PENDING_REGISTERS_MAX;

/** How long a register waits for a place that is on its way, and others take: many slow syncs. */
export const PLACE_WAIT_MS = 5_000;

/** Connections and embedded callers of one front end: 16 bits of a token name one. */
export const SINKS_MAX = 2 ** 16;

/** A worker that dies this often within the window is not replaced: the engine has failed. */
export const RESTARTS_MAX = 8;
export const RESTART_WINDOW_MS = 60_000;
