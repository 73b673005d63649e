/**
 * A principal as sessions remember it: 64 bits of the SHA-256 of its name, in two words. Two zeros
 * stand for nobody, and the low word alone is zero for nobody else.
 */
import { createHash } from 'node:crypto';

interface PrincipalWords {
  readonly low: number;
  readonly high: number;
}

export function principalWords(name: string): PrincipalWords {
  const hash = createHash('sha256').update(name).digest();
  const low = hash.readInt32LE(0);
  return { low: low === 0 ? 1 : low, high: hash.readInt32LE(4) };
}
