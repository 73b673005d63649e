/**
 * One side of a ring and its doorbell, in rounds that both sides begin at the same moment: the
 * producer publishes one record and rings, the sleeper makes ready to sleep and looks once more.
 * A round in which neither has seen the other would be a sleep that nobody ends.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Doorbell } from '../../../dist/workers/doorbell.js';
import { Ring } from '../../../dist/workers/ring.js';
import { meet, random, spin } from './traffic.mjs';

const { memory, doorbellMemory, meetings, rounds, sleeps, seed } = workerData;
const ring = new Ring(memory);
const doorbell = new Doorbell(doorbellMemory);
const bell = new Int32Array(doorbellMemory);
const words = new Int32Array(meetings);
const delays = random(seed);
let lost = 0;
let rang = 0;

function produce() {
  ring.push(ring.claim(2, 1));
  meet(words, 0, ++met * 2);
  spin(words, delays(3));
  if (ring.publish()) doorbell.ring();
  meet(words, 0, ++met * 2);
}

function sleep() {
  const before = Atomics.load(bell, 0);
  meet(words, 0, ++met * 2);
  spin(words, delays(3));
  doorbell.prepare();
  const isEmpty = ring.isDrained();
  meet(words, 0, ++met * 2);
  // From here both are done.
  const isRung = Atomics.load(bell, 0) !== before;
  if (isEmpty && !isRung) lost += 1;
  if (isRung) rang += 1;
  doorbell.awake();
  ring.take(ring.peek());
  ring.release();
}

let met = 0;
for (let i = 0; i < rounds; i++) {
  if (sleeps) sleep();
  else produce();
}
parentPort.postMessage({ lost, rang });
