/**
 * One of two sides that pass tokens to each other and sleep whenever they have none. With a single
 * token nothing but its own arrival can wake anybody, so one lost wake-up stops both for good.
 *
 * A side that listens does so as a front end does: its sleep goes on in the background, and turns
 * of its event loop come in between, which hush the bell and look at the ring by themselves.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Counts, load, Pace, spin } from './common.mjs';

const { inbox, outbox, ownBell, otherBell, tokens, hops, seed } = workerData;
const { listens, looksAgain, sleepMs } = workerData;
const { Ring } = await load('workers/ring.js');
const { Doorbell } = await load('workers/doorbell.js');
const incoming = new Ring(inbox);
const outgoing = new Ring(outbox);
const own = new Doorbell(ownBell);
const other = new Doorbell(otherBell);
const bell = new Int32Array(ownBell);
const counts = new Counts();
const pace = new Pace(seed);
const TOKEN = 1;
const LAST = 2;
/** Where the number lies in a record: its header has two words. */
const NUMBER = 2;

/** As long as a sleep takes to begin and end, which is some microseconds. */
const WINDOW_TURNS = 2_500;
/** As long as a side that is awake takes to answer. */
const NARROW_TURNS = 60;
/** How long a side watches the bell in place of a sleep. */
const WATCH_TURNS = 5_000;
/** How often a side looks before it sleeps, at most. */
const LOOKS_MAX = 300;
let isOver = false;
let turnIsComing = false;

/** Mostly nothing, and else one of two widths in which the other side may act. */
function window() {
  const width = [0, 0, NARROW_TURNS, NARROW_TURNS, WINDOW_TURNS][pace.below(5)];
  if (width > 0) spin(bell, pace.below(width));
}

/** Looks for a while, or not at all: one that is awake answers at once. */
function look() {
  for (let left = pace.below(2) * pace.below(LOOKS_MAX); left > 0; left--) {
    if (!incoming.isDrained()) return;
  }
}

function send(number, type) {
  const at = outgoing.claim(4, type);
  outgoing.words[at + NUMBER] = number;
  outgoing.push(at);
  window();
  if (outgoing.publish()) other.ring();
}

/** Sends back what came. True if something did. */
function poll() {
  let took = false;
  for (let at = incoming.peek(); at >= 0 && !isOver; at = incoming.peek()) {
    const number = incoming.words[at + NUMBER];
    const type = incoming.words[at + 1];
    incoming.take(at);
    incoming.release();
    took = true;
    counts.add('records');
    isOver = type === LAST || number >= hops;
    if (type !== LAST) send(number + 1, number >= hops ? LAST : TOKEN);
  }
  if (took) counts.show();
  return took;
}

/**
 * Mostly watches the bell for as long as an answer takes, in place of a sleep, whose thousand times
 * longer way leaves few meetings of the two sides. What goes wrong before is the same.
 */
function isRungSoon() {
  if (pace.below(16) === 0) return false;
  for (let left = WATCH_TURNS; left > 0; left--) if (Atomics.load(bell, 1) === 0) return true;
  return false;
}

async function sleep() {
  own.prepare();
  window();
  if (looksAgain && !incoming.isDrained()) return own.awake();
  window();
  if (isRungSoon()) return own.awake();
  counts.add('sleeps');
  const before = Atomics.load(bell, 0);
  await own.sleep(sleepMs);
  if (Atomics.load(bell, 0) !== before) counts.add('wakes');
}

/** A turn of the event loop that looks by itself, while the sleep goes on. */
function turn() {
  turnIsComing = false;
  counts.add('hushes');
  own.hush(true);
  window();
  poll();
  window();
  own.hush(false);
  window();
  if (looksAgain && !incoming.isDrained()) poll();
}

/** At most one turn follows what came: were there one after the other, no wake-up was missed. */
function scheduleTurn() {
  if (!listens || turnIsComing || pace.below(2) === 0) return;
  turnIsComing = true;
  setImmediate(turn);
}

function nextTurn() {
  return new Promise(setImmediate);
}

// A wait does not keep the event loop alive; this does.
parentPort.on('message', () => {});

for (let i = 0; i < tokens; i++) send(i, TOKEN);
while (!isOver) {
  if (poll()) scheduleTurn();
  if (isOver) break;
  look();
  await sleep();
  if (listens) await nextTurn();
}
// The other side may have gone to sleep on the last word.
other.wake();
counts.show();
parentPort.close();
