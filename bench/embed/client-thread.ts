/**
 * A thread that does requests as it is told, window by window, and says how many it did.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Client } from './client.ts';
import { emptyHistogram, encodeHistogram, recordAll } from './histogram.ts';
import type { Job, Outcome, ThreadData, Way } from './job.ts';
import { PortClient, WaitingClient } from './port-client.ts';
import { ViewClient } from './view-client.ts';

/** Requests between two looks at the clock: well below a millisecond for the fast ones. */
const BATCH = 128;

const client = await clientOf((workerData as ThreadData).way);
parentPort?.on('message', async (job: Job) => {
  parentPort?.postMessage(await run(job));
});
parentPort?.postMessage('ready');

async function clientOf(way: Way): Promise<Client> {
  if (way.kind === 'view') return ViewClient.attach(way.ticket);
  if (way.kind === 'port') return new PortClient(way.port);
  return new WaitingClient(way.port, way.bell);
}

async function run(job: Job): Promise<Outcome> {
  await client.prepare(job);
  const times = job.isTimed ? new Float64Array(BATCH) : undefined;
  await load(job.warmUpMs, times, () => {});
  const histogram = emptyHistogram();
  let requests = 0;
  const began = performance.now();
  await load(job.windowMs, times, () => {
    requests += BATCH;
    if (times !== undefined) recordAll(histogram, times);
  });
  const seconds = (performance.now() - began) / 1e3;
  return { requests, seconds, histogram: job.isTimed ? encodeHistogram(histogram) : '' };
}

async function load(ms: number, times: Float64Array | undefined, did: () => void): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    const done = client.requests(BATCH, times);
    // A promise that is already there would cost what is to be measured.
    if (done !== undefined) await done;
    did();
  }
}
