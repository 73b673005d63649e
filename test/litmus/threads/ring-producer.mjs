/** Fills a ring with records that tell their number and end with a checksum. */
import { workerData } from 'node:worker_threads';
import { fill } from '../../workers/threads/traffic.mjs';
import { Counts, load, Pace, persist, wordsOf } from './common.mjs';

const { memory, records, seed, paceSeed } = workerData;
const { Ring } = await load('workers/ring.js');
const ring = new Ring(memory);
const counts = new Counts();
const pace = new Pace(paceSeed);
let unpublished = 0;
let before = 0;

function publish() {
  ring.publish();
  unpublished = 0;
}

/** Room for a record, when there is some: the full edge. */
function claim(size, type) {
  const at = ring.claim(size, type);
  if (at >= 0) return at;
  counts.add('full');
  publish();
  return undefined;
}

for (let serial = 0; serial < records; serial++) {
  const size = wordsOf(seed, serial, ring.recordWordsMax);
  const at = persist(() => claim(size, serial & 0x3f));
  if (at < before) counts.add('wraps');
  before = at;
  fill(ring.words, at, size, serial);
  ring.push(at);
  unpublished += 1;
  if (unpublished >= pace.batch && !pace.isStubborn) publish();
  if (pace.step()) counts.show();
}
publish();
counts.show();
