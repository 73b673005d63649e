/**
 * Changes many plain words under the owner word, so that whoever comes in at the wrong moment finds
 * them half changed. What is under way is noted first, as a commit does, so that a thread in place
 * of one that was ended anywhere can finish it, with the number that the dead one had.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Counts, load, Pace, persist, spin } from './common.mjs';

const { arena, base, width, runner, runners, rounds, seed, lingers } = workerData;
const { ownerOf, release, tryAcquire } = await load('workers/owner.js');
const words = new Int32Array(arena);
const counts = new Counts();
const pace = new Pace(seed);
/** The change under way, how often each runner has changed the words, then the words. */
const INTENT = base;
const DONE = base + 1;
const FIRST = DONE + runners + 1;

function wordFor(version, index) {
  return Math.imul(version, 0x9e3779b1) + index;
}

function total() {
  let sum = 0;
  for (let i = 0; i <= runners; i++) sum += words[DONE + i];
  return sum;
}

/** What must hold whenever nobody is inside. */
function check() {
  const version = words[INTENT];
  for (let i = 0; i < width; i++) {
    if (words[FIRST + i] === (wordFor(version, i) | 0)) continue;
    throw new Error(`word ${i} is not of version ${version}, though nobody was inside`);
  }
  if (total() !== version) throw new Error(`${total()} changes were counted, not ${version}`);
}

function write(version) {
  const from = pace.below(width);
  for (let i = 0; i < width; i++) {
    const index = (from + i) % width;
    words[FIRST + index] = wordFor(version, index);
    // To be inside when the end comes.
    if (lingers && i === width >> 1) spin(words, pace.below(400));
  }
}

function change() {
  check();
  const version = words[INTENT] + 1;
  words[INTENT] = version;
  write(version);
  words[DONE + runner] += 1;
}

/** As a shard's worker that takes the place of one that died, in the same order of looking. */
function takeOver() {
  persist(() => ownerOf(words) === runner || tryAcquire(words, runner) || undefined);
  const version = words[INTENT];
  write(version);
  words[DONE + runner] += version - total();
  check();
  release(words);
}

takeOver();
parentPort.postMessage('begun');
let before = 0;
for (let i = 0; i < rounds; i++) {
  persist(() => tryAcquire(words, runner) || undefined);
  if (ownerOf(words) !== runner) throw new Error('the owner is not who took the word');
  if (before !== 0 && words[INTENT] !== before) counts.add('handovers');
  change();
  before = words[INTENT];
  if (ownerOf(words) !== runner) throw new Error('another took the word meanwhile');
  release(words);
  counts.add('records');
  // Or nobody else would ever come in.
  if (!lingers) pace.window();
  if (pace.step()) counts.show();
}
counts.show();
