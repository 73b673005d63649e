/**
 * The seeded hash of a client id, and the shard it belongs to.
 *
 * The rounds and the finalizer are those of MurmurHash3 (Austin Appleby, public domain) over the
 * id's four words. The seed is drawn per engine, so that nobody outside can choose ids that
 * collide. Shard and bucket come from different mixes of the hash: taking both from the same bits
 * would leave each shard with a fraction of its buckets.
 */
export function hashId(
  id0: number,
  id1: number,
  id2: number,
  id3: number,
  seedA: number,
  seedB: number,
): number {
  let hash = seedA;
  hash = round(hash, id0);
  hash = round(hash, id1 ^ seedB);
  hash = round(hash, id2);
  hash = round(hash, id3 ^ seedB);
  return finalize(hash ^ 16);
}

/** The shard of a hash, from 0 to `shards` − 1, evenly for any number of shards. */
export function shardOf(hash: number, shards: number): number {
  if (shards === 1) return 0;
  const mixed = finalize(hash ^ 0x5bd1e995) >>> 8;
  return Math.floor((mixed * shards) / 0x1000000);
}

function round(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  hash ^= Math.imul(k, 0x1b873593);
  hash = (hash << 13) | (hash >>> 19);
  return (Math.imul(hash, 5) + 0xe6546b64) | 0;
}

function finalize(hash: number): number {
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
