/**
 * What every load generator is: a process of its own, so that it has a core of its own. It takes a
 * job from its parent, answers what it counted, and ends; a reply that is not what was asked for
 * ends it with an error.
 */
import type { Operation, TargetName } from './job.ts';
import { makeLanes } from './lanes.ts';
import type { Lanes } from './protocol.ts';
import { Wire } from './wire.ts';

export function serveJob<Job, Outcome>(run: (job: Job) => Promise<Outcome>): void {
  process.once('message', (job: Job) => {
    run(job).then(
      (outcome) => process.send!(outcome, () => process.exit(0)),
      (error: unknown) => stop(error),
    );
  });
  // A benchmark that was stopped must not leave its load behind.
  process.on('disconnect', () => process.exit(1));
  // Replies are read in callbacks of sockets.
  process.on('uncaughtException', stop);
}

export interface LoadWire {
  readonly wire: Wire;
  readonly lanes: Lanes;
}

/** Connects to the server and tells it what it must know before the load begins. */
export async function openWire(
  job: { readonly target: TargetName; readonly port: number; readonly operation: Operation },
  number: number,
  lanesPerConnection: number,
): Promise<LoadWire> {
  const lanes = makeLanes(job.target, number, lanesPerConnection, job.operation);
  const wire = new Wire(job.port);
  await wire.connected();
  wire.socket.on('error', stop);
  wire.socket.on('close', () => stop(new Error('the server closed a connection')));
  await lanes.prepare(wire);
  return { wire, lanes };
}

function stop(error: unknown): void {
  process.stderr.write(`load generator: ${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}
