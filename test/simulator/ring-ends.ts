/**
 * Rings hold a thousand messages, more than a world sends: records that are taken at once move
 * their ends forward, so that what a world sends goes over the end of the memory.
 */
import { Ring } from '../../src/workers/ring.ts';
import type { ShardMemory } from '../../src/workers/shard-memory.ts';
import type { Random } from './random.ts';

/** Words that are left at the end at most: some ten messages. */
const LEFT_MAX = 600;

export function startRingsNearTheirEnd(memory: ShardMemory, random: Random): void {
  for (const { messages, answers } of memory.lanes) {
    for (const sab of [...messages, ...answers]) pass(new Ring(sab), random.below(LEFT_MAX));
  }
}

/** Passes over all but so many words, in records of which the longest is half a ring. */
function pass(ring: Ring, left: number): void {
  const kept = (left + 1) & ~1;
  const half = ring.capacity / 2;
  for (const words of [half, half - kept]) {
    if (words === 0) continue;
    ring.push(ring.claim(words, 1));
    ring.publish();
    ring.take(ring.peek());
    ring.release();
  }
}
