/** Adds to plain counters under the owner word, as often as it is told. */
import { workerData } from 'node:worker_threads';
import { ownerOf, release, tryAcquire } from '../../../dist/workers/owner.js';
import { giveWay, meet } from './traffic.mjs';

const { memory, runner, threads, rounds, counterWord, counterFloat, meetingWord } = workerData;
const words = new Int32Array(memory);
const floats = new Float64Array(memory);

// Together, or the first would be done before the last has begun.
meet(words, meetingWord, threads);
for (let i = 0; i < rounds; i++) {
  for (let tries = 0; !tryAcquire(words, runner); tries++) if (tries > 2_000) giveWay();
  if (ownerOf(words) !== runner) throw new Error('the owner is not who took the word');
  const word = words[counterWord];
  const float = floats[counterFloat];
  if (word !== float) throw new Error(`the counters differ: ${word} and ${float}`);
  words[counterWord] = word + 1;
  floats[counterFloat] = float + 1;
  release(words);
}
