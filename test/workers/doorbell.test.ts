/**
 * The doorbell's four parts in every order that two threads can take them. Sleeps are so long that
 * one which should have ended makes its test miss the deadline.
 */
import { expect, it, vi } from 'vitest';
import { createDoorbell, Doorbell } from '../../src/workers/doorbell.ts';

const FOREVER_MS = 600_000;
const BELL = 0;
const SLEEPING = 1;

function pair(): { sleeper: Doorbell; producer: Doorbell; words: Int32Array } {
  const memory = createDoorbell();
  const words = new Int32Array(memory);
  return { sleeper: new Doorbell(memory), producer: new Doorbell(memory), words };
}

it('a ring after the sleeper fell asleep wakes it', async () => {
  const { sleeper, producer, words } = pair();
  sleeper.prepare();
  const sleep = sleeper.sleep(FOREVER_MS);
  producer.ring();
  await sleep;
  expect(words[SLEEPING]).toBe(0);
});

it('a ring between the last look and the sleep makes the sleep end at once', async () => {
  const { sleeper, producer, words } = pair();
  sleeper.prepare();
  producer.ring();
  await sleeper.sleep(FOREVER_MS);
  expect(words[SLEEPING]).toBe(0);
});

it('a ring while nobody sleeps costs nothing and wakes nobody later', () => {
  const { sleeper, producer, words } = pair();
  const notify = vi.spyOn(Atomics, 'notify');
  producer.ring();
  sleeper.prepare();
  sleeper.awake();
  producer.ring();
  expect(words[BELL]).toBe(0);
  expect(notify).not.toHaveBeenCalled();
  notify.mockRestore();
});

it('of several producers only one rings for one sleep', async () => {
  const { sleeper, producer, words } = pair();
  const other = new Doorbell(words.buffer as SharedArrayBuffer);
  sleeper.prepare();
  const sleep = sleeper.sleep(FOREVER_MS);
  producer.ring();
  other.ring();
  producer.ring();
  await sleep;
  expect(words[BELL]).toBe(1);
});

it('a ring that comes late, after the sleep was given up, ends the next one', async () => {
  const { sleeper, producer, words } = pair();
  sleeper.prepare();
  // The producer has seen the sleeper and taken the flag, and is about to ring the bell.
  expect(Atomics.compareExchange(words, SLEEPING, 1, 0)).toBe(1);
  sleeper.awake();
  sleeper.prepare();
  const sleep = sleeper.sleep(FOREVER_MS);
  producer.wake();
  await sleep;
});

it('a sleep ends when its time is over, and the sleeper says so', async () => {
  const { sleeper, words } = pair();
  sleeper.prepare();
  await sleeper.sleep(1);
  expect(words[SLEEPING]).toBe(0);
});

it('wake ends a sleep even if the sleeper did not say that it sleeps', async () => {
  const { sleeper, producer, words } = pair();
  sleeper.prepare();
  Atomics.store(words, SLEEPING, 0);
  const sleep = sleeper.sleep(FOREVER_MS);
  producer.wake();
  await sleep;
});

it('works as well when the bell wraps', async () => {
  const { sleeper, producer, words } = pair();
  words[BELL] = 2 ** 31 - 1;
  for (let i = 0; i < 3; i++) {
    sleeper.prepare();
    const sleep = sleeper.sleep(FOREVER_MS);
    producer.ring();
    await sleep;
  }
  expect(words[BELL]).toBe(-(2 ** 31) + 2);
});
