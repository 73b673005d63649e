/** The engine's clock: one time for all threads, which never stands still or goes back. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, it, vi } from 'vitest';
import { Clock } from '../../src/workers/clock.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('two threads agree on the time although they began at different times', async () => {
  // Without a common origin they would differ by the age of this thread, which loaded a test.
  expect(performance.now()).toBeGreaterThan(100);
  const worker = new Worker(new URL('./threads/clock.mjs', import.meta.url));
  const clock = new Clock();
  const toleranceMs = 20;
  try {
    for (let i = 0; i < 50; i++) {
      clock.read();
      const before = clock.cell[0];
      worker.postMessage(i);
      const [theirs] = await once(worker, 'message');
      clock.read();
      expect(theirs).toBeGreaterThan(before - toleranceMs);
      expect(theirs).toBeLessThan(clock.cell[0] + toleranceMs);
    }
  } finally {
    await worker.terminate();
  }
});

it('two clocks of one thread agree, whenever they were made', () => {
  const first = new Clock();
  for (let i = 0; i < 200_000; i++) first.tick();
  first.read();
  expect(Math.abs(first.cell[0] - new Clock().cell[0])).toBeLessThan(20);
});

it('every read and every tick is later than the one before', () => {
  const clock = new Clock();
  let last = clock.cell[0];
  for (let i = 0; i < 200_000; i++) {
    if (i % 3 === 0) clock.read();
    else clock.tick();
    if (clock.cell[0] <= last) throw new Error(`step ${i} did not move the clock`);
    last = clock.cell[0];
  }
});

it('a tick still counts after two years of uptime', () => {
  const clock = new Clock();
  clock.cell[0] = 2 * 366 * 86_400_000;
  const before = clock.cell[0];
  clock.tick();
  expect(clock.cell[0]).toBeGreaterThan(before);
});

it('the time goes on when the system clock stands still or jumps back', () => {
  const clock = new Clock();
  const before = clock.cell[0];
  for (const now of [0, 0, -1e6]) {
    vi.spyOn(performance, 'now').mockReturnValue(now);
    const last = clock.cell[0];
    clock.read();
    expect(clock.cell[0]).toBeGreaterThan(last);
  }
  expect(clock.cell[0] - before).toBeLessThan(1);
});

it('a read catches up with real time after any number of ticks', () => {
  const clock = new Clock();
  const at = performance.now();
  vi.spyOn(performance, 'now').mockReturnValue(at + 1_000);
  const before = clock.cell[0];
  clock.tick();
  clock.read();
  expect(clock.cell[0] - before).toBeGreaterThan(900);
});
