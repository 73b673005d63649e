/**
 * Looking ahead must not show: whatever hashes it is given, a table is the same after it.
 */
import { describe, expect, it } from 'vitest';
import { Kind, Message } from '../../src/core/message.ts';
import { WARM_MESSAGES_MAX, Warmer } from '../../src/core/warmer.ts';
import { makeTable } from './helpers.ts';

const SLOTS = 16_384;

describe('the warmer', () => {
  it('pays once a table holds more sessions than the caches do', () => {
    const { table, register } = filled();
    const warmer = new Warmer(table.arena);
    for (let n = 1; n < SLOTS; n++) register(n);
    expect(warmer.pays).toBe(false);
    register(SLOTS);
    expect(warmer.pays).toBe(true);
  });

  it('changes nothing, with ids that are known, unknown, or share a bucket', () => {
    const { table, register, hashOf } = filled();
    for (let n = 1; n <= 600; n++) register(n);
    const before = Buffer.from(new Uint8Array(table.arena.memory).slice());
    const warmer = new Warmer(table.arena);
    const bucket = hashOf(1) & table.arena.indexMask;
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < WARM_MESSAGES_MAX; i++) warmer.add(hashOf(round * 60 + i));
      warmer.run();
      for (let i = 0; i < WARM_MESSAGES_MAX; i++) warmer.add(bucket | (i << 24));
      warmer.run();
    }
    expect(Buffer.from(new Uint8Array(table.arena.memory)).equals(before)).toBe(true);
  });

  it('looks into an empty table, and at no message at all', () => {
    const { table, hashOf } = filled();
    const warmer = new Warmer(table.arena);
    warmer.run();
    warmer.add(hashOf(1));
    expect(() => warmer.run()).not.toThrow();
  });
});

function filled() {
  const table = makeTable({ slots: SLOTS });
  const m = new Message();
  const hashOf = (n: number): number => table.hash(n, 7, 7, 7);
  const register = (n: number): void => {
    m.kind = Kind.REGISTER;
    m.id0 = n;
    m.id1 = m.id2 = m.id3 = 7;
    m.hash = hashOf(n);
    table.register(m);
  };
  return { table, hashOf, register };
}
