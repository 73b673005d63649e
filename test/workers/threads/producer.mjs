/** Fills a ring in random bursts with random pauses between them, ringing after each. */
import { workerData } from 'node:worker_threads';
import { Doorbell } from '../../../dist/workers/doorbell.js';
import { Ring } from '../../../dist/workers/ring.js';
import { fill, giveWay, random, sizeOf, spin } from './traffic.mjs';

const { memory, doorbellMemory, count, seed, burstMax, pauseMax } = workerData;
const ring = new Ring(memory);
const doorbell = doorbellMemory && new Doorbell(doorbellMemory);
const sizes = random(seed);
const pauses = random(seed + 1);

function publish() {
  if (ring.publish()) doorbell?.ring();
}

function claim(size, type) {
  for (let tries = 0; ; tries++) {
    const at = ring.claim(size, type);
    if (at >= 0) return at;
    publish();
    if (tries > 200) giveWay();
  }
}

let left = 0;
for (let serial = 0; serial < count; serial++) {
  const size = sizeOf(sizes);
  const at = claim(size, serial & 0x3f);
  fill(ring.words, at, size, serial);
  ring.push(at);
  if (left-- > 0) continue;
  publish();
  spin(ring.words, pauses(pauseMax));
  left = pauses(burstMax);
}
publish();
