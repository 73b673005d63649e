/**
 * Every fixed bound of the engine's core, with its reason beside it. Bounds that a user may choose
 * are given as the range that the choice must lie in.
 */

/** One shard of a Uint8Array-addressable arena: the longest typed array of Node 20 is 4 GiB. */
export const ARENA_BYTES_MAX = 2 ** 32;

/** Slots are counted in an Int32 and index entries are twice as many: 2^26 leaves both far off. */
export const SLOTS_MAX = 2 ** 26;

/** Sessions over all shards: what 256 shards of 2^26 slots could hold, and still an Int32. */
export const SESSIONS_MAX = 2 ** 30;

/** Shards of one engine: more than most machines have cores, and half of the runner numbers. */
export const SHARDS_MAX = 128;

/** Payload regions: 16 MiB keeps a reply's length within 24 bits and a copy under 10 ms. */
export const PAYLOAD_BYTES_MAX = 2 ** 24;

/** A request number is a u32 that starts at 1. */
export const REQUEST_NUMBER_MAX = 2 ** 32 - 1;

/** A session's TTL is a u32 of milliseconds, 49 days; the largest value means never. */
export const TTL_NEVER = 2 ** 32 - 1;
export const TTL_MS_MAX = TTL_NEVER - 1;

/** Rate limits: thousandths of a burst fit an Int32, and a number below the rate fits 17 bits. */
export const RATE_PER_SECOND_MAX = 100_000;
export const RATE_BURST_MAX = 1_000_000;

/** Capabilities of a service: a bit each of one word. */
export const CAPABILITIES_MAX = 31;

/** How many ended sessions a shard remembers, to say *why* they ended: 64 Ki × 32 bytes. */
export const ENDED_ENTRIES_MAX = 2 ** 16;

/** Threads that may run shards: the owner word and the rows name a runner in 8 bits. */
export const RUNNERS_MAX = 255;

/** Containers within containers in one value: more than data needs, far less than a stack. */
export const VALUE_DEPTH_MAX = 32;

/**
 * A call that changes nothing but a session's times is logged at most so many times per TTL. More
 * parts mean a smaller slack after a restart, and more writes for sessions that are only read.
 */
export const TOUCH_LOG_PARTS = 8;

/** The same for sessions that never expire: only the order of eviction depends on it. */
export const TOUCH_LOG_MS_MAX = 60_000;
