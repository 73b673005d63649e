/**
 * Whether the system lets this process have as many files and sockets as its limits promise. Where
 * there are too few, connections are dropped by the system before the server hears of them, so the
 * only time to tell is the start.
 */
/** What a process has open besides connections: event loops, pipes, the terminal, modules. */
const OWN_DESCRIPTORS = 64;
/** Of a shard: its thread's event loop, and the segments of its log. */
const SHARD_DESCRIPTORS = 16;

/** Descriptors that a server may need at most. */
export function descriptorsNeeded(connectionsMax: number, shards: number): number {
  return connectionsMax + OWN_DESCRIPTORS + shards * SHARD_DESCRIPTORS;
}
