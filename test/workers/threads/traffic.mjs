/**
 * What producer and consumer of a ring agree on: records of random sizes whose words follow from
 * a seed, ended by a checksum of what was written. Both make the same sequence for themselves.
 */

/** A small deterministic generator (mulberry32): whole numbers below a bound. */
export function random(seed) {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Words of a record: two of header, its number, its checksum, and up to 20 of payload. */
export function sizeOf(next) {
  return 4 + next(21);
}

/** Fills the record at `at`, which has `size` words. */
export function fill(words, at, size, serial) {
  let sum = serial;
  words[at + 2] = serial;
  for (let i = at + 3; i < at + size - 1; i++) {
    const word = Math.imul(serial ^ i, 0x9e3779b1);
    words[i] = word;
    sum = (Math.imul(sum, 31) + word) | 0;
  }
  words[at + size - 1] = ~sum;
}

/** What is wrong with the record at `at`; undefined if it is the one that `fill` wrote. */
export function problemOf(words, at, size, serial, type) {
  const wanted = (size + 1) & ~1;
  if (words[at] !== wanted) return `record ${serial} has ${words[at]} words, not ${wanted}`;
  if (words[at + 1] !== type) return `record ${serial} is of type ${words[at + 1]}`;
  if (words[at + 2] !== serial) return `record ${words[at + 2]} came in place of ${serial}`;
  let sum = serial;
  for (let i = at + 3; i < at + size - 1; i++) sum = (Math.imul(sum, 31) + words[i]) | 0;
  return words[at + size - 1] === ~sum ? undefined : `record ${serial} is torn`;
}

/** Turns that pass without a clock: long enough to hit any point of the other side's sleep. */
export function spin(words, turns) {
  for (let i = 0; i < turns; i++) Atomics.load(words, 0);
}

const parking = new Int32Array(new SharedArrayBuffer(4));

/** Lets the other thread have the core, where both share one. */
export function giveWay() {
  Atomics.wait(parking, 0, 0, 0.01);
}

/** Waits until `count` calls were made on the same word, over all threads. */
export function meet(words, at, count) {
  Atomics.add(words, at, 1);
  for (let tries = 0; Atomics.load(words, at) < count; tries++) if (tries > 2_000) giveWay();
}
