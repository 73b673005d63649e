/**
 * The owner word of a shard: whoever has put their runner number there may touch the arena, and
 * nobody else. Taking it never waits, so an event loop's thread can always try.
 */
import { Header } from '../core/layout.ts';

/** The word's value while nobody owns the shard; runner numbers start at 1. */
const NOBODY = 0;

export function tryAcquire(arena: Int32Array, runner: number): boolean {
  return Atomics.compareExchange(arena, Header.OWNER, NOBODY, runner) === NOBODY;
}

export function release(arena: Int32Array): void {
  Atomics.store(arena, Header.OWNER, NOBODY);
}

export function ownerOf(arena: Int32Array): number {
  return Atomics.load(arena, Header.OWNER);
}
