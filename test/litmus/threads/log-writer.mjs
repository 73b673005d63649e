/**
 * Takes batches from a log buffer and looks at every entry, in place of a disk. It may be ended
 * anywhere; the one in its place finds where to go on in the buffer, and takes the same batch
 * again. At times it does that to itself.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { problemOf } from '../../workers/threads/traffic.mjs';
import { Counts, load, Pace, wordsOf } from './common.mjs';

const { arena, writtenWord, memory, bell, entryMax, entries, seed, paceSeed, sleepMs } = workerData;
const { LogBuffer } = await load('core/log-buffer.js');
const { Doorbell } = await load('workers/doorbell.js');
const words = new Int32Array(arena);
const buffer = new LogBuffer(memory);
const doorbell = new Doorbell(bell);
const counts = new Counts();
const pace = new Pace(paceSeed);
const bytes = new Uint8Array(buffer.capacity * 4);
const batch = new Int32Array(bytes.buffer);
/** It dies of itself once in so many batches, and half of the time in the last one. */
const DEATHS_EVERY = 2_000;
/** The number of the next entry: where the log goes on. */
let next = buffer.noted(0);

/** Looks at all entries of a batch; returns the number of the one after it. */
function check(length) {
  let serial = next;
  let at = 0;
  for (; at < length / 4; serial++) {
    const size = (wordsOf(seed, serial, entryMax) + 1) & ~1;
    const problem = problemOf(batch, at, size, serial, serial & 0x3f);
    if (problem !== undefined) throw new Error(problem);
    at += size;
  }
  if (at !== length / 4) throw new Error(`the batch ends within entry ${serial - 1}`);
  return serial;
}

function write() {
  const tail = buffer.tail;
  const length = buffer.copyBatch(tail, bytes, 0);
  const after = check(length);
  pace.window();
  if (pace.below(8) === 0) {
    // It did not reach the disk. More may have come, and nothing may have gone.
    counts.add('again');
    return;
  }
  Atomics.store(words, writtenWord, after);
  next = after;
  buffer.release(tail, after);
  // One that dies here has written, and told nobody.
  if (pace.below(after >= entries ? 2 : DEATHS_EVERY) === 0) process.exit();
  buffer.setDurable(tail);
  counts.add('batches');
}

async function sleep() {
  doorbell.prepare();
  if (buffer.hasEntries()) return doorbell.awake();
  counts.add('sleeps');
  await doorbell.sleep(sleepMs);
}

// A wait does not keep the event loop alive; this does.
parentPort.on('message', () => {});

// The one before may not have lived to say what it had written.
buffer.resume();
while (next < entries) {
  if (buffer.hasEntries()) write();
  else await sleep();
  pace.step();
  counts.show();
}
counts.show();
parentPort.postMessage('done');
parentPort.close();
