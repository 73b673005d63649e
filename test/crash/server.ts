/** The built server in a process of its own, started again and again over one directory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Random } from './random.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Below the ports that systems give to clients: one of those could connect to itself. */
const PORT_MIN = 15_000;
const PORT_MAX = 30_000;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface Exited {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What it says on standard error is then a fault, and no other one's port is in its way. */
const QUIETLY = ['--log-level', 'error', '--operator-port', 'off'];

export class ServerProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<Exited>;
  /** False when it ended first. */
  readonly listening: Promise<boolean>;
  out = '';
  err = '';

  /** @param wrapper options of Node and what runs the command, with a channel to talk over */
  constructor(args: readonly string[], wrapper?: readonly string[], env = {}) {
    const command = [...(wrapper ?? [MAIN]), 'serve', ...QUIETLY, ...args];
    const child = spawn(process.execPath, command, {
      stdio: ['ignore', 'pipe', 'pipe', wrapper === undefined ? 'ignore' : 'ipc'],
      env: { PATH: process.env.PATH, ...env },
    });
    this.child = child;
    running.add(child);
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(child);
        resolve({ code, signal });
      });
    });
    this.listening = new Promise((resolve) => {
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        this.out += text;
        // The line after the first says what was recovered.
        if (/^listening on .+\n.+\n/.test(this.out)) resolve(true);
      });
      void this.exited.then(() => resolve(false));
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
  }

  /** How many sessions it said that it brought back. */
  get recovered(): number {
    return Number(/: (\d+) recovered/.exec(this.out)?.[1] ?? 0);
  }

  end(signal: NodeJS.Signals): Promise<Exited> {
    this.child.kill(signal);
    return this.exited;
  }
}

/** A port that nobody uses now. */
export async function freePort(random: Random): Promise<number> {
  for (;;) {
    const port = random.between(PORT_MIN, PORT_MAX);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
