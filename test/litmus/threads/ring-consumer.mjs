/**
 * Empties a ring and looks at every word of every record. A record is taken before it is looked
 * at, as a shard's worker does: its memory must stay as it is until it is given back. At times the
 * second record is taken before the first, as a front end does with answers that need not wait.
 */
import { workerData } from 'node:worker_threads';
import { problemOf } from '../../workers/threads/traffic.mjs';
import { Counts, load, Pace, persist, wordsOf } from './common.mjs';

const { memory, records, seed, paceSeed } = workerData;
const { Ring } = await load('workers/ring.js');
const ring = new Ring(memory);
const counts = new Counts();
const pace = new Pace(paceSeed);
let serial = 0;
let held = 0;

function check(at, wanted) {
  const size = wordsOf(seed, wanted, ring.recordWordsMax);
  const problem = problemOf(ring.words, at, size, wanted, wanted & 0x3f);
  if (problem !== undefined) throw new Error(problem);
}

function release() {
  ring.release();
  held = 0;
}

/** The next record, when there is one: the empty edge. */
function peek() {
  const at = ring.peek();
  if (at >= 0) return at;
  counts.add('empty');
  release();
  return undefined;
}

/** The record behind the next one, taken before it. */
function takeEarly(at) {
  const second = ring.peekAfter(at);
  if (second < 0) return false;
  check(second, serial + 1);
  ring.take(second);
  counts.add('early');
  return true;
}

while (serial < records) {
  const at = persist(peek);
  const early = pace.below(16) === 0 && takeEarly(at);
  ring.take(at);
  if (pace.below(16) === 0) pace.window();
  check(at, serial);
  serial += early ? 2 : 1;
  held += 1;
  counts.add('records', early ? 2 : 1);
  if (held >= pace.batch && !pace.isStubborn) release();
  if (pace.step()) counts.show();
}
release();
if (ring.peek() >= 0) throw new Error('there are more records than were written');
counts.show();
