/**
 * The command `sessile` as it is, in a process that also answers samples of itself over the channel
 * to its parent: what lives after a collection, how late its event loop was, how often memory was
 * collected, how many sockets are open. Needs `--expose-gc`.
 *
 * To show that the soak can fail, `SESSILE_SOAK_LEAK` makes each connection leave something behind:
 * 1 KiB of memory, an open file, or 10 µs of work in all that follows.
 */
import { subscribe } from 'node:diagnostics_channel';
import { openSync } from 'node:fs';
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';

const DELAY_RESOLUTION_MS = 10;
const LEAK_DELAY_MS = 0.01;

const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
delay.enable();
let collections = 0;
new PerformanceObserver((list) => {
  for (const { detail } of list.getEntries()) {
    // Those of the samples themselves are not counted.
    if ((detail.flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) === 0) collections += 1;
  }
}).observe({ entryTypes: ['gc'] });

let sockets = 0;
let accepted = 0;
subscribe('net.server.socket', ({ socket }) => {
  sockets += 1;
  accepted += 1;
  socket.once('close', () => {
    sockets -= 1;
  });
  leak();
});

const left = [];

function leak() {
  const kind = process.env.SESSILE_SOAK_LEAK;
  if (kind === 'memory') left.push(new Array(128).fill(0));
  if (kind === 'file') left.push(openSync('/dev/null'));
  if (kind === 'delay') left.push(0);
}

if (process.env.SESSILE_SOAK_LEAK === 'delay') {
  setInterval(() => {
    const end = performance.now() + left.length * LEAK_DELAY_MS;
    while (performance.now() < end);
  }, 50).unref();
}

process.on('message', () => {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  process.send({
    heapBytes: heapUsed,
    externalBytes: external,
    // The mean: the largest of the few in a sample are the machine's.
    delayMs: delay.mean / 1e6,
    collections,
    sockets,
    accepted,
  });
  delay.reset();
});
// It must not keep a server alive that has stopped.
process.channel.unref();

await import('../../dist/cli/main.js');
