/**
 * The load generator of throughput: it holds a closed loop for the time asked.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LoadConnection } from './connection.ts';
import { openWire, serveJob } from './generator-process.ts';
import type { Job, Outcome } from './job.ts';

serveJob(run);

async function run(job: Job): Promise<Outcome> {
  const connections: LoadConnection[] = [];
  for (let number = 0; number < job.connections; number++) {
    connections.push(await open(job, number));
  }
  for (const connection of connections) connection.start();
  await sleep(job.warmUpMs);
  const started = performance.now();
  const cpuBefore = process.cpuUsage();
  const before = total(connections);
  await sleep(job.windowMs);
  const replies = total(connections) - before;
  const seconds = (performance.now() - started) / 1e3;
  const cpu = process.cpuUsage(cpuBefore);
  if (replies === 0) throw new Error('no reply came');
  return { replies, seconds, generatorCpu: (cpu.user + cpu.system) / 1e6 / seconds };
}

async function open(job: Job, number: number): Promise<LoadConnection> {
  const { wire, lanes } = await openWire(job, number, job.inFlight);
  const connection = new LoadConnection(wire.socket, lanes, job.inFlight);
  wire.receive = (bytes, view, length) => connection.data(bytes, view, length);
  return connection;
}

function total(connections: readonly LoadConnection[]): number {
  return connections.reduce((sum, connection) => sum + connection.replies, 0);
}
