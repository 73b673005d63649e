/** The real command in a process of its own, and where it refuses in the process of the tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Command as Subcommand } from 'commander';
import { onTestFinished } from 'vitest';
import { terminalText } from '../../dist/cli/option-names.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly #firstLine: Promise<string>;
  #err = '';
  readonly #lines: string[] = [];
  readonly #reader: Interface;

  /** @param before what a shell does in the process before it becomes the command */
  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, before = '') {
    const command = [process.execPath, MAIN, ...args];
    const [file, ...rest] =
      before === '' ? command : ['bash', '-c', `${before}; exec "$@"`, 'bash', ...command];
    const child = spawn(file, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      // What a person is told is looked at; tests of the log switch it on.
      env: { PATH: process.env.PATH, SESSILE_LOG_FORMAT: 'off', ...env },
    });
    this.child = child;
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      this.#err += chunk;
    });
    const lines = createInterface({ input: child.stdout });
    this.#reader = lines;
    lines.on('line', (line) => this.#lines.push(line));
    this.#firstLine = new Promise((resolve) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(''));
    });
    this.ended = once(child, 'close').then(([code, signal]) => ({
      code,
      signal,
      out,
      err: this.#err,
    }));
  }

  /** The port of a server, from the first line that it writes. */
  async port(): Promise<number> {
    const line = await this.#firstLine;
    const port = /^listening on 127\.0\.0\.1:(\d+)$/.exec(line)?.[1];
    if (port === undefined) throw new Error(`unexpected first line ${line}`);
    return Number(port);
  }

  /** Waits until standard error has had a text. */
  async told(text: string): Promise<void> {
    while (!this.#err.includes(text)) await once(this.child.stderr!, 'data');
  }

  /** The first line that it writes of a kind; '' if it ends without one. */
  line(pattern: RegExp): Promise<string> {
    const found = () => this.#lines.find((line) => pattern.test(line));
    return new Promise((resolve) => {
      const look = (): void => {
        const line = found();
        if (line !== undefined) resolve(line);
      };
      look();
      this.#reader.on('line', look);
      this.#reader.once('close', () => resolve(found() ?? ''));
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Runs the command to its end. */
export function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Command(args, env).ended;
}

/**
 * What a subcommand that is expected to refuse its arguments writes. It runs in this process, so
 * neither exit code nor environment are those of a command: a test that looks at them runs one.
 */
export async function refused(
  command: Subcommand,
  args: readonly string[],
): Promise<{ out: string; err: string }> {
  let out = '';
  let err = '';
  const writeOut = (text: string): void => {
    out += text;
  };
  const writeErr = (text: string): void => {
    err += text;
  };
  command.exitOverride().configureOutput({ writeOut, writeErr });
  try {
    await command.parseAsync(args, { from: 'user' });
  } catch (error) {
    // Commander has written what it throws; the rest is written by the main program.
    return { out, err: err === '' ? terminalText(error, command) : err };
  }
  throw new Error(`it took ${args.join(' ')}`);
}
