/**
 * The 64-bit checksum of a request's operation and body. It tells a true duplicate from another
 * request that reuses a number; it is not meant to resist somebody who forges collisions against
 * their own session.
 *
 * Two lanes of MurmurHash3 rounds (Austin Appleby, public domain) with different constants, each
 * word of the body going into both.
 */
import type { Message } from './message.ts';

/** Fills `checksumLow` and `checksumHigh` from the message's operation and body. */
export function checksumMessage(m: Message): void {
  const words = m.bodyWords;
  let low = Math.imul(m.operation ^ 0x3c6ef372, 0x9e3779b1);
  let high = Math.imul(m.operation ^ 0x1b873593, 0x85ebca77);
  const first = m.bodyWord;
  const last = first + ((m.bodyLength + 3) >>> 2);
  for (let at = first; at < last; at++) {
    const word = words[at];
    low ^= Math.imul(word, 0xcc9e2d51);
    low = Math.imul((low << 13) | (low >>> 19), 0x1b873593);
    high ^= Math.imul(word, 0xa1e38b93);
    high = (Math.imul((high << 17) | (high >>> 15), 0x239b961b) + low) | 0;
  }
  m.checksumLow = finish(low ^ m.bodyLength);
  m.checksumHigh = finish(high + Math.imul(m.bodyLength, 0x9e3779b1));
}

function finish(hash: number): number {
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
