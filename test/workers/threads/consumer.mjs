/**
 * Empties a ring, checking every record; polls it, or sleeps on a doorbell between batches as a
 * shard's worker does. Reports what it saw, and the offsets at which records began.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Doorbell } from '../../../dist/workers/doorbell.js';
import { Ring } from '../../../dist/workers/ring.js';
import { giveWay, problemOf, random, sizeOf } from './traffic.mjs';

const { memory, doorbellMemory, count, seed, sleepMs } = workerData;
const ring = new Ring(memory);
const doorbell = doorbellMemory && new Doorbell(doorbellMemory);
const sizes = random(seed);
const batches = random(seed + 2);
const offsets = new Set();
const report = { taken: 0, problem: undefined, sleeps: 0, offsets: 0 };

function drain() {
  const batch = 1 + batches(16);
  let ran = 0;
  for (let at = ring.peek(); at >= 0; at = ring.peek()) {
    const size = sizeOf(sizes);
    report.problem ??= problemOf(ring.words, at, size, report.taken, report.taken & 0x3f);
    offsets.add(at);
    ring.take(at);
    report.taken += 1;
    ran += 1;
    if (ran === batch) break;
  }
  if (ran > 0) ring.release();
  return ran > 0;
}

async function sleep() {
  doorbell.prepare();
  if (!ring.isDrained()) {
    doorbell.awake();
    return;
  }
  report.sleeps += 1;
  await doorbell.sleep(sleepMs);
}

// A wait does not keep the event loop alive; this does.
parentPort.on('message', () => {});

let idle = 0;
while (report.taken < count && report.problem === undefined) {
  if (drain()) idle = 0;
  else if (doorbell !== undefined) await sleep();
  else if (idle++ > 200) giveWay();
}
report.offsets = offsets.size;
parentPort.postMessage(report);
parentPort.close();
