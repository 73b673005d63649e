/** The hash by which an engine finds the shard of a client id. */
import { hashId } from '../../dist/core/hash.js';

export function idHash(id: Uint8Array, seedA: number, seedB: number): number {
  const [id0, id1, id2, id3] = new Int32Array(id.slice().buffer);
  return hashId(id0, id1, id2, id3, seedA, seedB);
}
