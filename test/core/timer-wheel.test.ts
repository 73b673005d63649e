/** The timer wheel against a list sorted by deadline. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Arena, createArena } from '../../src/core/arena.ts';
import { assert } from '../../src/core/assert.ts';
import { Header, ROW_WORDS, Row, WHEEL_LISTS } from '../../src/core/layout.ts';
import { TimerWheel } from '../../src/core/timer-wheel.ts';
import { random, runs } from './helpers.ts';

const TICK_MS = 512;

/** What one bucket of each level spans, and what the level above takes over from. */
const SPANS_MS = [2 ** 9, 2 ** 15, 2 ** 21, 2 ** 26, 2 ** 28];
const FIRST_BUCKETS = [0, 64, 128, 160, 164];

/** A wheel with its arena and clock, and what a table does with it. */
class Fixture {
  readonly arena: Arena;
  readonly now = new Float64Array(1);
  readonly wheel: TimerWheel;

  constructor(
    readonly slots: number,
    start: number,
  ) {
    const config = { shard: 0, slots, dataBytesMax: 8, replyBytesMax: 8, ttlDefaultMs: 1 };
    this.arena = createArena({ ...config, seedA: 1, seedB: 2 });
    this.arena.words[Header.HIGH_WATER] = slots;
    this.wheel = new TimerWheel(this.arena, this.now);
    this.now[0] = start;
    this.wheel.clear();
  }

  get time(): number {
    return this.arena.floats[Header.WHEEL_TIME / 2];
  }

  setDeadline(slot: number, deadline: number): void {
    const row = this.arena.regions.rows + slot * ROW_WORDS;
    this.arena.floats[(row + Row.DEADLINE) / 2] = deadline;
  }

  deadlineOf(slot: number): number {
    const row = this.arena.regions.rows + slot * ROW_WORDS;
    return this.arena.floats[(row + Row.DEADLINE) / 2];
  }

  schedule(slot: number, deadline: number): void {
    this.setDeadline(slot, deadline);
    this.wheel.schedule(slot);
  }

  advanceTo(now: number): void {
    this.now[0] = now;
    this.wheel.advance();
  }

  /** The slots of a list, in order; checks that links are mutual and that it ends. */
  listed(list: number): number[] {
    const { words, regions, slots } = this.arena;
    const sentinel = slots + list;
    const found: number[] = [];
    let entry = sentinel;
    do {
      const next = words[regions.wheel + entry * 2 + 1] - 1;
      // Not `expect`, which would take most of the time of all these tests.
      assert(words[regions.wheel + next * 2] - 1 === entry, 'links are mutual');
      if (next === sentinel) return found;
      assert(next >= 0 && next < slots, 'a list leads through slots to its own sentinel');
      found.push(next);
      entry = next;
    } while (found.length <= slots);
    throw new Error('the list does not end');
  }

  due(): number[] {
    return this.listed(WHEEL_LISTS - 1);
  }

  /** The bucket that holds a slot, or −1. */
  bucketOf(slot: number): number {
    for (let list = 0; list < WHEEL_LISTS; list++) {
      if (this.listed(list).includes(slot)) return list;
    }
    return -1;
  }

  /** Every linked slot is in exactly one list; returns them all in order of their numbers. */
  linked(): number[] {
    const all: number[] = [];
    for (let list = 0; list < WHEEL_LISTS; list++) all.push(...this.listed(list));
    all.sort((a, b) => a - b);
    const said = [...Array(this.slots).keys()].filter((slot) => this.wheel.isLinked(slot));
    expect(all).toEqual(said);
    return all;
  }

  /** Works on at most `budget` slots; returns those that had expired, in the order they came. */
  work(budget = Number.POSITIVE_INFINITY, isPinned = (_slot: number): boolean => false): number[] {
    const ended: number[] = [];
    for (let done = 0; done < budget; done++) {
      const slot = this.wheel.next();
      if (slot < 0) break;
      // Each slot is taken at most once, or the work would not end.
      if (done > this.slots) throw new Error('the work list does not end');
      if (isPinned(slot) || this.now[0] <= this.deadlineOf(slot)) this.wheel.schedule(slot);
      else {
        this.wheel.remove(slot);
        ended.push(slot);
      }
    }
    return ended;
  }
}

describe('filing', () => {
  test('a new wheel is empty, and in fresh memory no slot is taken for a linked one', () => {
    const f = new Fixture(4, 0);
    expect(f.linked()).toEqual([]);
    expect(f.wheel.next()).toBe(-1);
    f.advanceTo(2 ** 40);
    expect(f.wheel.next()).toBe(-1);
    f.wheel.remove(2);
    expect(f.linked()).toEqual([]);
  });

  test('each level begins where the one below has no more ticks', () => {
    for (const start of [0, 300, 2 ** 28 - 1, 2 ** 33 + 12_345.5]) {
      const f = new Fixture(1, start);
      for (let level = 1; level < SPANS_MS.length; level++) {
        const below = SPANS_MS[level - 1];
        const ticks = SPANS_MS[level] / below;
        const limit = (Math.floor(start / below) + ticks) * below;
        f.schedule(0, limit - 0.25);
        expect(f.bucketOf(0)).toBeLessThan(FIRST_BUCKETS[level]);
        f.schedule(0, limit);
        expect(f.bucketOf(0)).toBeGreaterThanOrEqual(FIRST_BUCKETS[level]);
      }
    }
  });

  test('a deadline that has passed goes into the current bucket of the lowest level', () => {
    const f = new Fixture(3, 10 * TICK_MS + 7);
    f.schedule(0, 10 * TICK_MS + 7);
    f.schedule(1, 3 * TICK_MS);
    f.schedule(2, -(2 ** 40));
    expect(f.listed(10)).toEqual([0, 1, 2]);
    f.advanceTo(11 * TICK_MS - 0.5);
    expect(f.due()).toEqual([]);
    f.advanceTo(11 * TICK_MS);
    expect(f.due()).toEqual([0, 1, 2]);
  });

  test('scheduling again moves a slot, earlier or later or to where it was', () => {
    const f = new Fixture(3, 0);
    for (const slot of [0, 1, 2]) f.schedule(slot, 600);
    for (const deadline of [2 ** 22, 100, 100, 2 ** 30, 600]) {
      f.schedule(1, deadline);
      expect(f.linked()).toEqual([0, 1, 2]);
    }
    expect(f.listed(1)).toEqual([0, 2, 1]);
  });

  test('the first, a middle one, the last and the only one of a bucket can be removed', () => {
    const f = new Fixture(5, 0);
    for (const slot of [0, 1, 2, 3]) f.schedule(slot, 100);
    for (const [slot, rest] of [
      [0, [1, 2, 3]],
      [2, [1, 3]],
      [3, [1]],
      [1, []],
    ] as const) {
      f.wheel.remove(slot);
      expect(f.wheel.isLinked(slot)).toBe(false);
      expect(f.listed(0)).toEqual(rest);
      f.wheel.remove(slot);
      expect(f.linked()).toEqual([...rest]);
    }
    f.schedule(4, 100);
    expect(f.listed(0)).toEqual([4]);
  });

  test('clear forgets whatever links were left, half made ones too', () => {
    const f = new Fixture(6, 5_000);
    for (const slot of [0, 1, 2, 3]) f.schedule(slot, 5_000 + slot * 2 ** 16);
    f.advanceTo(5_600);
    const { words, regions } = f.arena;
    const next = random(7);
    for (let word = 0; word < (6 + WHEEL_LISTS) * 2; word++) words[regions.wheel + word] = next(99);
    f.now[0] = 4_000.5;
    f.wheel.clear();
    expect(f.linked()).toEqual([]);
    expect(f.time).toBe(4_000.5);
    f.schedule(3, 4_000.5);
    f.advanceTo(4_000.5 + TICK_MS);
    expect(f.due()).toEqual([3]);
  });

  test('clear does not touch links above the high water mark', () => {
    const f = new Fixture(4, 0);
    const { words, regions } = f.arena;
    words[Header.HIGH_WATER] = 2;
    words[regions.wheel + 4] = 77;
    f.wheel.clear();
    expect(words[regions.wheel + 4]).toBe(77);
  });

  test('the wheel writes to its region and to its time only', () => {
    const f = new Fixture(4, 0);
    for (const slot of [0, 1, 2, 3]) f.setDeadline(slot, 8 ** (slot + 2));
    const before = f.arena.words.slice();
    for (const slot of [0, 1, 2, 3]) f.wheel.schedule(slot);
    f.advanceTo(3_000);
    f.work();
    f.wheel.clear();
    const { wheel, index } = f.arena.regions;
    for (const [word, value] of f.arena.words.entries()) {
      if ((word >= wheel && word < index) || word >> 1 === Header.WHEEL_TIME / 2) continue;
      expect(value).toBe(before[word]);
    }
  });
});

describe('the bound', () => {
  test('a slot is due when its tick of 512 ms has passed, and not before', () => {
    for (const start of [0, 1_000_000.25, 2 ** 31 - 100, 2 ** 40]) {
      const first = Math.ceil(start / TICK_MS) + 1;
      for (const into of [0, 0.5, 1, 511, 511.75]) {
        const f = new Fixture(1, start);
        f.schedule(0, first * TICK_MS + into);
        f.advanceTo((first + 1) * TICK_MS - 0.25);
        expect(f.due()).toEqual([]);
        f.advanceTo((first + 1) * TICK_MS);
        expect(f.due()).toEqual([0]);
      }
    }
  });

  test('so the longest lag is 512 ms, of a deadline where a tick begins', () => {
    const f = new Fixture(1, 0);
    f.schedule(0, 4 * TICK_MS);
    f.advanceTo(5 * TICK_MS - 0.001);
    expect(f.due()).toEqual([]);
    f.advanceTo(4 * TICK_MS + TICK_MS);
    expect(f.due()).toEqual([0]);
  });

  test('it holds from any bucket of any level, whatever the steps of the clock', () => {
    for (const start of [0, 2 ** 28 - 700, 2 ** 33 + 2 ** 21 - 1]) {
      for (const step of SPANS_MS) {
        for (const span of SPANS_MS) {
          if (span / step > 2 ** 7) continue;
          checkBound(start, span, step);
        }
      }
    }
  });

  /** A slot on every boundary of one span and 1 ms beside it, for more than a turn of the level. */
  function checkBound(start: number, span: number, step: number): void {
    const ticks = span === 2 ** 28 ? 6 : 66;
    const f = new Fixture(ticks * 3, start);
    const base = Math.ceil(start / span) * span;
    for (let slot = 0; slot < ticks * 3; slot++) {
      f.schedule(slot, Math.max(start, base + Math.floor(slot / 3) * span + (slot % 3) - 1));
    }
    let left = ticks * 3;
    for (let now = start; left > 0; now += step) {
      f.advanceTo(now);
      for (const slot of f.work()) {
        assert(now > f.deadlineOf(slot), 'none ends before its deadline');
        left -= 1;
      }
      for (let slot = 0; slot < ticks * 3; slot++) {
        if (!f.wheel.isLinked(slot)) continue;
        assert(now < f.deadlineOf(slot) + TICK_MS, 'none is left when the bound has passed');
      }
    }
  }
});

describe('the clock', () => {
  /** A slot in every bucket of a wheel whose time is past 2^33. */
  function full(): Fixture {
    const start = 2 ** 33 + 2 ** 25 + 777;
    const f = new Fixture(200, start);
    let slot = 0;
    for (let level = 0; level < SPANS_MS.length; level++) {
      const count = [64, 64, 32, 4, 1][level];
      for (let i = level === 0 ? 0 : 1; i < count; i++)
        f.schedule(slot++, start + i * SPANS_MS[level]);
    }
    f.schedule(slot++, start + 2 ** 29);
    return f;
  }

  test('that stands still or goes backwards does nothing', () => {
    const f = full();
    const before = f.arena.words.slice();
    for (const now of [f.time, f.time - 1, f.time - 2 ** 30, 0, -5, Number.NaN]) {
      f.advanceTo(now);
      expect(f.arena.words).toEqual(before);
    }
  });

  test('that moves within a tick makes nothing due, but moves the time of the wheel', () => {
    const f = full();
    const start = f.time;
    f.advanceTo(start + 1);
    expect(f.time).toBe(start + 1);
    expect(f.due()).toEqual([]);
  });

  test('that jumps over everything makes everything due at once', () => {
    for (const jump of [2 ** 29 + TICK_MS, 2 ** 32, 2 ** 45]) {
      const f = full();
      const all = f.linked();
      expect(all.length).toBeGreaterThan(160);
      f.advanceTo(f.time + jump);
      expect(f.due().sort((a, b) => a - b)).toEqual(all);
      expect(f.work().sort((a, b) => a - b)).toEqual(all);
      expect(f.linked()).toEqual([]);
    }
  });

  test('that came back after going backwards continues where it was', () => {
    const f = new Fixture(1, 10_000);
    f.schedule(0, 11_000);
    f.advanceTo(5_000);
    f.schedule(0, 11_500);
    f.advanceTo(11_499);
    expect(f.work()).toEqual([]);
    f.advanceTo(12_012);
    expect(f.work()).toEqual([0]);
  });

  test('that begins below zero is as good as any', () => {
    const f = new Fixture(2, -5_000.5);
    f.schedule(0, -4_000);
    f.schedule(1, 2 ** 20);
    f.advanceTo(-4_000 + TICK_MS);
    expect(f.work()).toEqual([0]);
    f.advanceTo(2 ** 20 + TICK_MS);
    expect(f.work()).toEqual([1]);
  });

  test('a deadline that never comes stays in the wheel', () => {
    const f = new Fixture(1, 0);
    f.schedule(0, Number.POSITIVE_INFINITY);
    for (let now = 1; now < 2 ** 42; now *= 3) {
      f.advanceTo(now);
      expect(f.work()).toEqual([]);
      expect(f.linked()).toEqual([0]);
    }
  });
});

describe('the work list', () => {
  test('is worked off in parts, and advancing in between only adds to its end', () => {
    const f = new Fixture(7, 0);
    for (let slot = 0; slot < 5; slot++) f.schedule(slot, 100);
    for (const slot of [5, 6]) f.schedule(slot, 700);
    f.advanceTo(600);
    expect(f.due()).toEqual([0, 1, 2, 3, 4]);
    expect(f.work(2)).toEqual([0, 1]);
    f.advanceTo(600);
    expect(f.work(1)).toEqual([2]);
    f.advanceTo(1_100);
    expect(f.due()).toEqual([3, 4, 5, 6]);
    expect(f.work(3)).toEqual([3, 4, 5]);
    expect(f.work(3)).toEqual([6]);
    expect(f.wheel.next()).toBe(-1);
  });

  test('next answers the same slot until something is done with it', () => {
    const f = new Fixture(2, 0);
    f.schedule(0, 1);
    f.schedule(1, 1);
    f.advanceTo(TICK_MS);
    expect([f.wheel.next(), f.wheel.next()]).toEqual([0, 0]);
    f.wheel.remove(0);
    expect([f.wheel.next(), f.wheel.next()]).toEqual([1, 1]);
  });

  test('a slot that was touched is filed again, and due at its new deadline', () => {
    const f = new Fixture(1, 0);
    f.schedule(0, 100);
    f.setDeadline(0, 100_000);
    f.advanceTo(600);
    expect(f.due()).toEqual([0]);
    expect(f.work()).toEqual([]);
    expect(f.linked()).toEqual([0]);
    f.advanceTo(99_999);
    expect(f.work()).toEqual([]);
    f.advanceTo(100_000 + TICK_MS);
    expect(f.work()).toEqual([0]);
  });

  test('a pinned one whose deadline has passed comes back once every tick', () => {
    const f = new Fixture(2, 0);
    f.schedule(0, 100);
    f.schedule(1, 100);
    for (let tick = 1; tick <= 200; tick++) {
      f.advanceTo(tick * TICK_MS);
      expect(f.due()).toEqual([0, 1]);
      expect(f.work(undefined, () => true)).toEqual([]);
      f.advanceTo(tick * TICK_MS + 511);
      expect(f.due()).toEqual([]);
    }
  });

  test('a slot that is due may be removed or filed from the middle of the list', () => {
    const f = new Fixture(4, 0);
    for (let slot = 0; slot < 4; slot++) f.schedule(slot, 10);
    f.advanceTo(TICK_MS);
    f.wheel.remove(1);
    f.schedule(2, 10_000);
    expect(f.due()).toEqual([0, 3]);
    expect(f.work()).toEqual([0, 3]);
    expect(f.linked()).toEqual([2]);
  });
});

describe('against a sorted list', () => {
  const SLOTS = 24;

  interface Filed {
    slot: number;
    /** The tick of 512 ms after which the wheel must have offered it. */
    tick: number;
  }

  /** Tells what the wheel owes: all that was filed, by the tick that must pass. */
  class Model {
    readonly f: Fixture;
    filed: Filed[] = [];
    readonly pinned = new Set<number>();

    constructor(start: number) {
      this.f = new Fixture(SLOTS, start);
    }

    schedule(slot: number, deadline: number): void {
      this.f.schedule(slot, deadline);
      this.refile(slot);
    }

    refile(slot: number): void {
      this.remove(slot);
      const from = Math.max(this.f.deadlineOf(slot), this.f.time);
      this.filed.push({ slot, tick: Math.floor(from / TICK_MS) });
      this.filed.sort((a, b) => a.tick - b.tick);
    }

    remove(slot: number): void {
      this.filed = this.filed.filter((other) => other.slot !== slot);
    }

    work(budget: number): void {
      const { f } = this;
      const head = f.due().slice(0, budget);
      const ended = f.work(budget, (slot) => this.pinned.has(slot));
      for (const slot of head) {
        if (ended.includes(slot)) this.remove(slot);
        else this.refile(slot);
      }
      for (const slot of ended) expect(f.now[0]).toBeGreaterThan(f.deadlineOf(slot));
      expect(f.due()).not.toContain(head[0] ?? -1);
    }

    check(): void {
      const { f } = this;
      const slots = this.filed.map(({ slot }) => slot);
      expect(f.linked()).toEqual(slots.sort((a, b) => a - b));
      const passed = Math.floor(f.time / TICK_MS);
      const due = new Set(f.due());
      for (const { slot, tick } of this.filed) {
        if (tick >= passed) break;
        expect(due.has(slot)).toBe(true);
      }
    }
  }

  /** Distances in time at which something happens in the wheel, and 1 ms or less beside them. */
  const span = fc.constantFrom(...SPANS_MS);
  const near = fc
    .tuple(span, fc.integer({ min: 0, max: 70 }), fc.constantFrom(-1, -0.5, 0, 0.5, 1))
    .map(([ms, times, beside]) => ms * times + beside);
  const distance = fc.oneof(
    near,
    fc.integer({ min: -2_000, max: 5_000 }),
    fc.double({ min: 0, max: 2 ** 32, noNaN: true }),
  );
  const slot = fc.nat(SLOTS - 1);
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('schedule'), slot, ms: distance }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('touch'), slot, ms: distance }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('remove'), slot, ms: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('pin'), slot, ms: fc.constant(0) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('advance'), slot, ms: distance }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('boundary'), slot, ms: span }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('work'), slot, ms: fc.constant(0) }) },
  );
  const start = fc.constantFrom(0, 511.5, 2 ** 28 - 1, 2 ** 31 - 3, 2 ** 41 + 12_345.25);

  type Step = { do: string; slot: number; ms: number };

  function take(model: Model, { do: what, slot, ms }: Step): void {
    const { f } = model;
    const now = f.now[0];
    if (what === 'schedule') model.schedule(slot, now + ms);
    // A touch moves the deadline to later, and the wheel does not hear of it.
    else if (what === 'touch') f.setDeadline(slot, Math.max(f.deadlineOf(slot), now + ms));
    else if (what === 'remove') {
      f.wheel.remove(slot);
      model.remove(slot);
    } else if (what === 'pin') {
      if (!model.pinned.delete(slot)) model.pinned.add(slot);
    } else if (what === 'advance') f.advanceTo(now + ms);
    // To the next boundary of a level, 1 ms before it or 1 ms after.
    else if (what === 'boundary') f.advanceTo((Math.floor(now / ms) + 1) * ms + (slot % 3) - 1);
    else model.work(slot);
  }

  test('every slot is offered in time, in one list at a time, and none is lost', () => {
    fc.assert(
      fc.property(start, fc.array(step, { maxLength: 120, size: 'max' }), (from, steps) => {
        const model = new Model(from);
        for (const one of steps) {
          take(model, one);
          model.check();
        }
        model.pinned.clear();
        model.f.advanceTo(Math.max(model.f.time, model.f.now[0]) + 2 ** 46);
        model.work(SLOTS);
        model.check();
        expect(model.filed).toEqual([]);
      }),
      runs(250),
    );
  });

  test('small steps of the clock end everything in order of the ticks', () => {
    const f = new Fixture(SLOTS, 1_000);
    const below = random(99);
    for (let slot = 0; slot < SLOTS; slot++) f.schedule(slot, 1_000 + below(200_000));
    const ended: number[] = [];
    for (let now = 1_000; now < 203_000; now += 100) {
      f.advanceTo(now);
      ended.push(...f.work(3));
    }
    const ticks = ended.map((slot) => Math.floor(f.deadlineOf(slot) / TICK_MS));
    expect(ticks).toEqual([...ticks].sort((a, b) => a - b));
    expect(ended.length).toBe(SLOTS);
  });
});
