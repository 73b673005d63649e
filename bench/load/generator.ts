/**
 * The load generator: a process of its own, so that it has a core of its own. It takes a job from
 * its parent, holds a closed loop for the time asked, and answers what it counted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LoadConnection } from './connection.ts';
import type { Job, Outcome } from './job.ts';
import { makeLanes } from './lanes.ts';
import { Wire } from './wire.ts';

process.once('message', (job: Job) => {
  run(job).then(
    (outcome) => process.send!(outcome, () => process.exit(0)),
    (error: unknown) => stop(error),
  );
});
// A benchmark that was stopped must not leave its load behind.
process.on('disconnect', () => process.exit(1));
// A reply that is not what was asked for is found in a callback of its socket.
process.on('uncaughtException', stop);

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
  const lanes = makeLanes(job.target, number, job.inFlight, job.operation);
  const wire = new Wire(job.port);
  await wire.connected();
  wire.socket.on('error', stop);
  wire.socket.on('close', () => stop(new Error('the server closed a connection')));
  await lanes.prepare(wire);
  const connection = new LoadConnection(wire.socket, lanes, job.inFlight);
  wire.receive = (bytes, view, length) => connection.data(bytes, view, length);
  return connection;
}

function total(connections: readonly LoadConnection[]): number {
  return connections.reduce((sum, connection) => sum + connection.replies, 0);
}

function stop(error: unknown): void {
  process.stderr.write(`load generator: ${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}
