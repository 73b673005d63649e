/**
 * The bounds of the server's connections, each with its reason. Those that a user may choose are
 * defaults here.
 */

export const CONNECTIONS_MAX_DEFAULT = 10_000;
/** A token names a connection in 16 bits, and embedded callers need some too. */
export const CONNECTIONS_MAX = 60_000;

export const FRAME_BYTES_MAX_DEFAULT = 64 * 1024;
/** The longest frame a user may allow: what a connection then keeps of a split frame. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;
/** The shortest that still carries a register with its options. */
export const FRAME_BYTES_MIN = 1024;

/**
 * The longest frame before welcome, when nobody knows yet who is there: hello with the longest
 * token takes half of it. 10 000 connections that send no more than that keep 160 MiB at most.
 */
export const HELLO_FRAME_BYTES_MAX = 16 * 1024;

/** Requests that a client should have outstanding on a connection: 16 batches of 256. */
export const IN_FLIGHT_MAX = 4096;

/** Bytes that one read of a socket brings at most: as many as Node's own reads. */
export const INPUT_BUFFER_BYTES = 64 * 1024;

/**
 * Output buffers: a batch of 600 small replies in one write. Five cache lines more than a power of
 * two, or the first lines of all buffers would compete for the same few places in the cache.
 */
export const OUTPUT_BUFFER_BYTES = 64 * 1024 + 5 * 64;

/** Spare output buffers of a front end: as many as connections that write in one turn. */
export const OUTPUT_BUFFERS_KEPT_MAX = 256;

/** Unsent output at which a connection's input is no longer read, until it has drained. */
export const OUTPUT_HIGH_BYTES = 256 * 1024;

/**
 * Unsent output, beside one answer of any length, at which a connection that was not taking its
 * answers before is cut off: more than `IN_FLIGHT_MAX` replies of the default length.
 */
export const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** A reader that has not taken all that waited for it within this time is cut off. */
export const OUTPUT_STALL_MS = 30_000;

/** A connection that said no hello within this time is closed. */
export const HELLO_TIMEOUT_MS_DEFAULT = 10_000;

/** A frame that has begun is whole within this time: 64 KiB in it are 2 KiB a second. */
export const FRAME_TIMEOUT_MS_DEFAULT = 30_000;

/** Connections of one address: a tenth of all, so that one host does not keep others out. */
export const CONNECTIONS_PER_ADDRESS_MAX_DEFAULT = 1_000;

/** Calls of one connection to the server itself that may be under way. */
export const OPERATOR_CALLS_MAX = 16;

/** Sessions that may end with one connection: as many as it could register in a second. */
export const SCOPED_SESSIONS_MAX = 2 ** 16;

/** A register's options: the known ones and no room for a map that costs time to walk. */
export const OPTIONS_MAX = 16;
/** The longest name of an option, in bytes. */
export const TEXT_BYTES_MAX = 1024;

/** Messages of one turn that one reading of the clock serves: some 30 µs of them. */
export const CLOCK_MESSAGES_MAX = 64;

/** How long the front end polls on after its last output before it sleeps: some wake-ups' cost. */
export const AWAKE_MS = 0.1;

/** The longest time limit of a connection that may be chosen: a day is as good as none. */
export const TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000;
