/**
 * Random bytes that are the same in each run with the same seed: for client ids and bodies. Not
 * for secrets.
 */
import { createHash } from 'node:crypto';

/** Bytes that depend on the seed and on what they are for. */
export function seededBytes(seed: string, purpose: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0, block = 0; at < length; block++) {
    const hash = createHash('sha512').update(`${seed}\n${purpose}\n${block}`).digest();
    at += hash.copy(bytes, at);
  }
  return bytes;
}
