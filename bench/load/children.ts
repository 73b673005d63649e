/**
 * The processes that a benchmark starts: each is known from its start until its end, so that all
 * of them can be stopped whatever happens.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a process may take to start, or to end before it is killed. */
const GRACE_MS = 10_000;

/** Between two looks whether a silent server listens by now. */
const LOOK_MS = 20;

const running = new Set<ChildProcess>();

process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

export function track(child: ChildProcess): ChildProcess {
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

/**
 * Starts a server and waits until it says that it is ready. Undefined when its program is not
 * installed.
 */
export function startServer(
  command: string,
  args: readonly string[],
  ready: RegExp,
): Promise<Started | undefined> {
  const options: SpawnOptions = { stdio: ['ignore', 'pipe', 'inherit'] };
  const child = track(spawn(command, args, options));
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${command} did not start`));
    }, GRACE_MS);
    let text = '';
    child.stdout!.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      const match = ready.exec(text);
      if (match === null) return;
      clearTimeout(late);
      resolve({ child, match });
    });
    child.once('exit', (code) => {
      clearTimeout(late);
      reject(new Error(`${command} ended with code ${code}: ${text}`));
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(late);
      if (error.code === 'ENOENT') resolve(undefined);
      else reject(error);
    });
  });
}

/**
 * Starts a server that says nothing, and waits until its port takes connections. Undefined when
 * its program is not installed.
 */
export async function startListening(
  command: string,
  args: readonly string[],
  port: number,
): Promise<ChildProcess | undefined> {
  const child = track(spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }));
  let failure: NodeJS.ErrnoException | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  child.once('exit', (code) => {
    failure ??= new Error(`${command} ended with code ${code}`);
  });
  for (const began = performance.now(); performance.now() - began < GRACE_MS; ) {
    if (await answers(port)) return child;
    if (failure?.code === 'ENOENT') return undefined;
    if (failure !== undefined) throw failure;
    await sleep(LOOK_MS);
  }
  child.kill('SIGKILL');
  throw new Error(`${command} did not start`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

export interface Started {
  readonly child: ChildProcess;
  readonly match: RegExpExecArray;
}

/** Stops all that still run, by their own ids, and waits for their end. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(stop));
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    child.once('exit', () => {
      clearTimeout(late);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}
