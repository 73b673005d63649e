/**
 * A server in a process of its own, started from this same command: for the demo, and for whatever
 * wants to talk to a real one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SessileError } from '../core/errors.ts';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

export interface ServerProcess {
  readonly host: string;
  readonly port: number;
  readonly process: ChildProcess;
  /** Sends SIGTERM and resolves with the exit code. */
  stop(): Promise<number | null>;
}

export interface ServerProcessOptions {
  /** Out of reach of the terminal's Ctrl-C, so that it outlives the end of what uses it. */
  readonly ownGroup?: boolean;
}

/** Starts `sessile serve --port 0` with more arguments, and waits for its first line. */
export async function startServerProcess(
  args: readonly string[],
  { ownGroup = false }: ServerProcessOptions = {},
): Promise<ServerProcess> {
  const command = ['serve', '--port', '0', '--log-level', 'warn', ...args];
  const child = spawn(process.execPath, [MAIN, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: ownGroup,
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([
    new Promise<string>((resolve) => lines.once('line', resolve)),
    exited.then((code) => `exit code ${code}`),
  ]);
  const match = /^listening on (.+):(\d+)$/.exec(line);
  if (match === null) throw new SessileError('server_failed', `the server did not start: ${line}`);
  return {
    host: match[1],
    port: Number(match[2]),
    process: child,
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
  };
}
