/**
 * Appends entries to a log buffer under the owner word, and publishes them before it lets go or
 * later, as a worker and a front end do. What it is told to be durable must have been written.
 */
import { workerData } from 'node:worker_threads';
import { fill } from '../../workers/threads/traffic.mjs';
import { Counts, load, Pace, persist, wordsOf } from './common.mjs';

const { arena, serialWord, writtenWord, memory, bell, entryMax, entries, runner, seed } =
  workerData;
const { paceSeed, sleepMs } = workerData;
const { LogBuffer } = await load('core/log-buffer.js');
const { release, tryAcquire } = await load('workers/owner.js');
const { Doorbell } = await load('workers/doorbell.js');
const words = new Int32Array(arena);
const buffer = new LogBuffer(memory);
const doorbell = new Doorbell(bell);
const counts = new Counts();
const pace = new Pace(paceSeed);
/** What was appended and not found durable yet: positions, and the number of the entry after. */
const waiting = [];
const WAITING_MAX = 64;
let before = 0;

/** Appends one entry, if there is room. */
function append() {
  const serial = words[serialWord];
  const size = (wordsOf(seed, serial, entryMax) + 1) & ~1;
  if (!buffer.hasRoom(size)) {
    counts.add('full');
    return false;
  }
  const at = buffer.claim(size, serial & 0x3f);
  if (at < before) counts.add('wraps');
  before = at;
  fill(buffer.words, at, size, serial);
  buffer.push(at);
  words[serialWord] = serial + 1;
  counts.add('records');
  return true;
}

function publishLater(position) {
  pace.window();
  if (buffer.isBehind(position)) counts.add('publishedLater');
  buffer.publishTo(position);
}

/** Some entries under the owner word. True when all of a run have been appended. */
function turn() {
  persist(() => tryAcquire(words, runner) || undefined);
  const burst = pace.batch;
  let appended = 0;
  while (appended < burst && words[serialWord] < entries && append()) appended += 1;
  const position = buffer.position;
  const after = words[serialWord];
  const isLater = pace.below(2) === 0;
  if (!isLater) buffer.publish();
  release(words);
  if (isLater) publishLater(position);
  doorbell.ring();
  if (appended > 0) waiting.push({ position, after });
  return after >= entries;
}

/** An answer that may go: all that it tells of must have been written by now. */
function check({ position, after }) {
  const isDurable = buffer.isDurable(position);
  if (!isDurable) return false;
  const written = Atomics.load(words, writtenWord);
  if (written < after) throw new Error(`durable to entry ${after}, written to ${written}`);
  counts.add('durable');
  return true;
}

/** Sleeps until the oldest is durable. Nothing else would wake it. */
function wait() {
  while (!check(waiting[0])) {
    counts.add('waits');
    buffer.waitDurable(waiting[0].position, sleepMs);
  }
  waiting.shift();
}

for (let isDone = false; !isDone; ) {
  isDone = turn();
  while (waiting.length > 0 && check(waiting[0])) waiting.shift();
  const isPatient = pace.isStubborn || waiting.length > WAITING_MAX;
  if (waiting.length > 0 && (isPatient || pace.below(64) === 0)) wait();
  if (pace.step()) counts.show();
  if (words[serialWord] % 256 === 0) counts.show();
}
while (waiting.length > 0) wait();
counts.show();
