/** How long a connection may be silent or unfinished, in a time that the test makes up. */
import { expect, test } from 'vitest';
import { lookMs, Patience, PatienceClock } from '../../src/transport/patience.ts';

const LIMITS = { frameTimeoutMs: 100, idleTimeoutMs: 400 };
const NEVER_IDLE = { frameTimeoutMs: 100, idleTimeoutMs: 0 };

/** What each look says, of which frame is unfinished when, and whether anything came before. */
function looks(limits: typeof LIMITS, ...seen: [at: number, frame: number, heard: boolean][]) {
  const patience = new Patience();
  return seen.map(([at, frame, heard]) => {
    if (heard) patience.heard = true;
    return patience.lost(at, limits, frame, false) !== undefined;
  });
}

test('a frame that is not whole in time is given up, though its bytes still come', () => {
  const seen = looks(LIMITS, [0, 1, true], [50, 1, true], [99, 1, true], [100, 1, true]);
  expect(seen).toEqual([false, false, false, true]);
});

test('there may always be an unfinished frame, if it is another one each time', () => {
  const frames = Array.from({ length: 40 }, (_, i) => [i * 60, i + 1, true] as const);
  expect(looks(LIMITS, ...frames.map(([...each]) => each as [number, number, boolean]))).toEqual(
    new Array(40).fill(false),
  );
});

test('a frame that was whole in between begins anew', () => {
  expect(looks(LIMITS, [0, 1, true], [60, 0, true], [120, 2, true], [219, 2, true])).toEqual(
    new Array(4).fill(false),
  );
});

test('silence is given up after the time that it may last, and not before', () => {
  const seen = looks(LIMITS, [0, 0, true], [399, 0, false], [400, 0, false]);
  expect(seen).toEqual([false, false, true]);
  const heard = looks(LIMITS, [0, 0, true], [300, 0, true], [699, 0, false], [700, 0, false]);
  expect(heard).toEqual([false, false, false, true]);
  expect(looks(NEVER_IDLE, [0, 0, true], [1e9, 0, false])).toEqual([false, false]);
});

test('nothing is given up while the server itself does not read', () => {
  const patience = new Patience();
  for (const at of [0, 200, 400, 800]) {
    expect(patience.lost(at, LIMITS, 1, true)).toBe(undefined);
  }
  expect(patience.lost(899, LIMITS, 1, false)).toBe(undefined);
  expect(patience.lost(900, LIMITS, 1, false)).toContain('not whole within 100 ms');
});

test('what is given up is said in words', () => {
  const patience = new Patience();
  patience.lost(0, LIMITS, 0, false);
  expect(patience.lost(400, LIMITS, 0, false)).toContain('nothing came for 400 ms');
});

test('looks are a quarter of the shortest time apart, within bounds', () => {
  expect(lookMs(LIMITS)).toBe(25);
  expect(lookMs({ frameTimeoutMs: 30_000, idleTimeoutMs: 200 })).toBe(50);
  expect(lookMs({ frameTimeoutMs: 30_000, idleTimeoutMs: 0 })).toBe(1000);
  expect(lookMs({ frameTimeoutMs: 1, idleTimeoutMs: 0 })).toBe(10);
});

test('time in which the process stood still counts as two looks at most', () => {
  const clock = new PatienceClock(LIMITS, 1000);
  expect([1025, 1050, 9000, 9025].map((at) => clock.look(at))).toEqual([25, 50, 100, 125]);
});
