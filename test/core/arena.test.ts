/** The arena: its layout, what attaches to it, and its limit. */
import { expect, test } from 'vitest';
import { Arena, createArena } from '../../src/core/arena.ts';
import { AssertionFailure } from '../../src/core/assert.ts';
import { InvalidOptionError, SessileError } from '../../src/core/errors.ts';
import { type ArenaConfig, Header, regionsOf } from '../../src/core/layout.ts';
import { ARENA_BYTES_MAX, ENDED_ENTRIES_MAX, SLOTS_MAX, TTL_NEVER } from '../../src/core/limits.ts';

const CONFIG: ArenaConfig = {
  shard: 3,
  slots: 10,
  dataBytesMax: 13,
  replyBytesMax: 17,
  ttlDefaultMs: 5_000,
  seedA: 0x80000001,
  seedB: 5,
};

function refusal(config: Partial<ArenaConfig>): InvalidOptionError {
  try {
    createArena({ ...CONFIG, ...config });
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidOptionError);
    return error as InvalidOptionError;
  }
  throw new Error('the arena was created');
}

/** Bytes of an arena, from the layout, without reserving them. */
function bytesOf({ slots, dataBytesMax, replyBytesMax }: ArenaConfig): number {
  let entries = 2;
  while (entries < slots * 2) entries *= 2;
  const ended = Math.min(Math.max(2, entries / 2), ENDED_ENTRIES_MAX);
  return regionsOf(slots, entries, ended, dataBytesMax, replyBytesMax).totalBytes;
}

test('a second view over the same memory has the same configuration', () => {
  const arena = createArena(CONFIG);
  const other = new Arena(arena.memory);
  expect(other).toMatchObject({ shard: 3, slots: 10, dataBytesMax: 13, replyBytesMax: 17 });
  expect([other.seedA, other.seedB]).toEqual([0x80000001 | 0, 5]);
  expect(other.ttlDefaultMs).toBe(5_000);
  expect(other.regions).toEqual(arena.regions);
  arena.words[Header.LIVE] = 9;
  expect(other.words[Header.LIVE]).toBe(9);
});

test('a default TTL of never survives as its bit pattern', () => {
  expect(createArena({ ...CONFIG, ttlDefaultMs: TTL_NEVER }).ttlDefaultMs >>> 0).toBe(TTL_NEVER);
});

test('the index has at least twice as many entries as slots, always a power of two', () => {
  for (const slots of [1, 2, 3, 4, 5, 7, 8, 9, 100, 1_023, 1_024, 1_025]) {
    const arena = createArena({ ...CONFIG, slots });
    const entries = arena.indexMask + 1;
    expect(entries).toBeGreaterThanOrEqual(2 * slots);
    expect(entries).toBeLessThan(Math.max(4 * slots, 3));
    expect(entries & arena.indexMask).toBe(0);
    expect((arena.endedMask + 1) & arena.endedMask).toBe(0);
    expect(arena.endedMask + 1).toBeGreaterThanOrEqual(slots);
  }
});

test('regions follow each other without overlap, and 64-bit fields are aligned', () => {
  for (const slots of [1, 2, 3, 8, 33]) {
    for (const bytes of [1, 4, 5, 8, 9, 1_024]) {
      const arena = createArena({ ...CONFIG, slots, dataBytesMax: bytes, replyBytesMax: bytes });
      const { regions } = arena;
      const starts = [
        256,
        regions.rows + slots * 32,
        regions.order + (slots + 1) * 4,
        regions.wheel + (slots + 165 + 1) * 2,
        regions.index + (arena.indexMask + 1) * 2,
        regions.ended + (arena.endedMask + 1) * 8,
        regions.notes + slots * 4,
        regions.stagedReply + Math.ceil(bytes / 8) * 2,
        regions.stagedData + Math.ceil(bytes / 8) * 2,
      ];
      const { rows, order, wheel, index, ended, notes } = regions;
      const after = [notes, regions.stagedReply, regions.stagedData, regions.payloads];
      const listed = [rows, order, wheel, index, ended, ...after];
      expect(listed).toEqual(starts);
      expect(starts.every((start) => start % 2 === 0)).toBe(true);
      expect(arena.memory.byteLength).toBe(regions.totalBytes);
    }
  }
});

test('payload regions of neighbouring slots touch but do not overlap', () => {
  const arena = createArena(CONFIG);
  for (let slot = 0; slot < CONFIG.slots; slot++) {
    expect(arena.replyAt(slot)).toBe(arena.dataAt(slot) + 4);
    expect(arena.dataAt(slot + 1)).toBe(arena.replyAt(slot) + 6);
  }
  expect(arena.dataAt(CONFIG.slots) * 4).toBe(arena.memory.byteLength);
});

test('memory that is no arena, or another length than it says, is refused', () => {
  expect(() => new Arena(new SharedArrayBuffer(4_096))).toThrow(AssertionFailure);
  const arena = createArena(CONFIG);
  const longer = new SharedArrayBuffer(arena.memory.byteLength + 8);
  new Uint8Array(longer).set(arena.bytes);
  expect(() => new Arena(longer)).toThrow(AssertionFailure);
});

test('no slots are a programming error, and too many are refused', () => {
  for (const slots of [0, -1]) {
    expect(() => createArena({ ...CONFIG, slots })).toThrow(AssertionFailure);
  }
  const slots = SLOTS_MAX + 1;
  expect(() => createArena({ ...CONFIG, slots })).toThrow(InvalidOptionError);
});

test('an arena above its limit is an invalid option that names the value and a way out', () => {
  const slots = 100_000;
  const error = refusal({ slots, dataBytesMax: 2 ** 20, replyBytesMax: 2 ** 20 });
  expect(error).toBeInstanceOf(SessileError);
  expect(error.code).toBe('invalid_options');
  expect(error).toMatchObject({ option: 'sessionsMax', value: slots, name: 'InvalidOptionError' });
  expect(error.details).toMatchObject({ option: 'sessionsMax', value: slots });
  expect(error.message).toContain('100000');
  expect(error.message).toContain('more shards');
});

test('the number of slots that the refusal advises does fit', () => {
  // Just above a power of two the index has up to four entries a slot, just below it only two.
  for (const slots of [2 ** 25, 2 ** 25 - 1, 2 ** 24, 100_000]) {
    for (const bytes of [8, 64, 128, 1_024, 2 ** 20]) {
      const config = { ...CONFIG, slots, dataBytesMax: bytes, replyBytesMax: bytes };
      if (bytesOf(config) <= ARENA_BYTES_MAX) continue;
      const advised = Number(/at most (\d+) a shard/.exec(refusal(config).expected)?.[1]);
      expect(advised).toBeLessThan(slots);
      expect(bytesOf({ ...config, slots: advised })).toBeLessThanOrEqual(ARENA_BYTES_MAX);
    }
  }
});
