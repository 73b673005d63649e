/**
 * The built-in service with two operations more, by which one asks the thread that runs it to count
 * its own garbage. The profiler sees the collections of its own isolate only, so it has to be
 * started there: nothing of the thread that asks is counted.
 */
import { GCProfiler, getHeapSpaceStatistics } from 'node:v8';
import sessionData from '../../dist/services/session-data.js';

let profiler;
let bytesBefore = 0;

/** What lies among the young objects, where all new ones begin. */
function youngBytes() {
  return getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_used_size;
}

function used({ heapSpaceStatistics }) {
  return heapSpaceStatistics.find((space) => space.spaceName === 'new_space').spaceUsedSize;
}

const operations = {
  ...sessionData.operations,
  count_begin: {
    number: 250,
    unsequenced: true,
    execute() {
      // Twice, because what survives once is still among the young: then all of their space is left
      // for what comes. A full collection would throw away compiled code too.
      globalThis.gc({ type: 'minor' });
      globalThis.gc({ type: 'minor' });
      profiler = new GCProfiler();
      profiler.start();
      bytesBefore = youngBytes();
    },
  },
  count_end: {
    number: 251,
    unsequenced: true,
    execute(context) {
      let bytes = youngBytes();
      const { statistics } = profiler.stop();
      profiler = undefined;
      // What was taken since the last collection, and before each of them.
      for (const { beforeGC, afterGC } of statistics) bytes += used(beforeGC) - used(afterGC);
      bytes -= bytesBefore;
      context.replyWith({ bytes, collections: statistics.map(({ gcType }) => gcType) });
    },
  },
};

export default { ...sessionData, name: 'counted-session-data', operations };
