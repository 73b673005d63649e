/**
 * The load generator of latency: an open loop, which sends by a timetable and not by what came
 * back. It never sleeps: a timer would round each request's time to a millisecond.
 */
import { openWire, serveJob } from './generator-process.ts';
import type { LatencyJob, LatencyOutcome } from './job.ts';
import { LatencyRecorder } from './latencies.ts';
import { type Observer, OpenConnection } from './open-connection.ts';
import { Timetable } from './timetable.ts';

/** Before the first request, so that no connection starts late. */
const LEAD_MS = 20;

/** How long answers are waited for when the last request is due. What is missing then counts. */
const DRAIN_MS = 1_000;

serveJob(run);

async function run(job: LatencyJob): Promise<LatencyOutcome> {
  const latencies = new LatencyRecorder();
  const late = new LatencyRecorder();
  const wires = [];
  for (let number = 0; number < job.connections; number++) {
    wires.push(await openWire(job, number, job.lanes));
  }
  const start = performance.now() + LEAD_MS;
  const timetable = new Timetable(start, job.requestsPerSecond, job.connections);
  const first = start + job.warmUpMs;
  const end = first + job.windowMs;
  const observer: Observer = {
    answered: (dueMs, nowMs) => {
      if (dueMs >= first) latencies.record(nowMs - dueMs);
    },
    late: (ms) => late.record(ms),
  };
  const connections = wires.map(({ wire, lanes }, number) => {
    const connection = new OpenConnection(wire.socket, lanes, number, job.lanes, observer);
    wire.receive = (bytes, view, length) => {
      const now = performance.now();
      connection.data(bytes, view, length, now);
      connection.pump(timetable, Math.min(now, end));
    };
    return connection;
  });
  await turn(connections, timetable, end);
  const unanswered = recordUnanswered(connections, timetable, end, observer);
  return {
    latencies: latencies.latencies(),
    requestsPerSecond: (latencies.count - unanswered) / (job.windowMs / 1e3),
    unanswered,
    lateMicroseconds: late.latencies().p99,
  };
}

/** Sends what is due, lets the sockets be read, and again, until all is answered or it is late. */
function turn(
  connections: readonly OpenConnection[],
  timetable: Timetable,
  end: number,
): Promise<void> {
  return new Promise((resolve) => {
    const once = (): void => {
      const now = performance.now();
      for (const connection of connections) connection.pump(timetable, Math.min(now, end));
      const isOver = now >= end && connections.every(({ sent, replies }) => sent === replies);
      if (isOver || now >= end + DRAIN_MS) resolve();
      else setImmediate(once);
    };
    once();
  });
}

/** Counts what was due and has no answer as if it came now; how many there are. */
function recordUnanswered(
  connections: readonly OpenConnection[],
  timetable: Timetable,
  end: number,
  observer: Observer,
): number {
  const now = performance.now();
  let count = 0;
  for (const [number, connection] of connections.entries()) {
    const due = connection.unanswered();
    for (let n = connection.sent; n < timetable.dueBy(number, end); n++) {
      due.push(timetable.dueAt(number, n));
    }
    for (const dueMs of due) observer.answered(dueMs, now);
    count += due.length;
  }
  return count;
}
