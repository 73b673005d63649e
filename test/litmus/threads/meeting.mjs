/**
 * Sleeper and producer in rounds that both begin at the same moment: one publishes a record and
 * rings, the other says that it sleeps and looks once more. If each missed the other, that would be
 * a sleep which nobody ends. No sleep is begun, so there are millions of meetings.
 */
import { workerData } from 'node:worker_threads';
import { Counts, load, Pace, spin } from './common.mjs';

const { inbox, ownBell, meetings, rounds, seed, sleeps } = workerData;
const { Ring } = await load('workers/ring.js');
const { Doorbell } = await load('workers/doorbell.js');
const ring = new Ring(inbox);
const doorbell = new Doorbell(ownBell);
const bell = new Int32Array(ownBell);
const words = new Int32Array(meetings);
const counts = new Counts();
const pace = new Pace(seed);
/** The difference between two threads that leave a barrier is about as long as so many turns. */
const DELAY_TURNS = 24;
let met = 0;

/** Waits for the other side. One that does not come shows as a round that is stuck. */
function meet() {
  met += 2;
  Atomics.add(words, 0, 1);
  for (let turns = 0; Atomics.load(words, 0) < met; turns++) {
    if (turns > 20_000) Atomics.wait(words, 1, 0, 0.01);
  }
}

function produce() {
  ring.push(ring.claim(2, 1));
  meet();
  spin(words, pace.below(DELAY_TURNS));
  if (ring.publish()) doorbell.ring();
  meet();
}

function sleep() {
  const isHushed = pace.below(2) === 0;
  const before = Atomics.load(bell, 0);
  doorbell.prepare();
  if (isHushed) doorbell.hush(true);
  else doorbell.awake();
  meet();
  spin(words, pace.below(DELAY_TURNS));
  if (isHushed) doorbell.hush(false);
  else doorbell.prepare();
  const isEmpty = ring.isDrained();
  meet();
  // From here both are done.
  const isRung = Atomics.load(bell, 0) !== before;
  if (isEmpty && !isRung) {
    throw new Error(`neither saw the other, the sleeper ${isHushed ? 'after a hush' : 'awake'}`);
  }
  counts.add(isHushed ? 'hushed' : 'prepared');
  if (isRung) counts.add('rung');
  if (!isEmpty) counts.add('seen');
  doorbell.awake();
  ring.take(ring.peek());
  ring.release();
}

for (let i = 0; i < rounds; i++) {
  if (sleeps) sleep();
  else produce();
  if (i % 1_024 === 0) counts.show();
}
counts.show();
