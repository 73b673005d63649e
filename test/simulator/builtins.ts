/**
 * Puts the simulated world under the real code: the clocks, timers, sleeps, random numbers and
 * sockets of Node are replaced before any module of `src` is loaded, so that those modules run as
 * they are. Nothing is put back: a process that simulates does nothing else.
 */
import childProcess from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import timers from 'node:timers';
import timersPromises from 'node:timers/promises';
import { currentMachine, FOLDER, isInWorld, touched } from './current.ts';
import type { Task } from './scheduler.ts';
import { SimulatedPool } from './simulated-pool.ts';

const scheduler = () => currentMachine().scheduler;

/** What `setTimeout` and the like return. */
class Handle {
  task: Task | undefined;
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
  cancel(): void {
    if (this.task !== undefined) this.task.isCancelled = true;
    this.task = undefined;
  }
}

type Callback = (...values: unknown[]) => void;

function timeout(run: Callback, delayMs = 1, ...values: unknown[]): Handle {
  const handle = new Handle();
  // Node takes a delay below 1 ms, and what is no number, for 1 ms.
  const waitMs = delayMs >= 1 ? delayMs : 1;
  handle.task = scheduler().after(waitMs, () => run(...values));
  return handle;
}

function interval(run: Callback, delayMs: number, ...values: unknown[]): Handle {
  const handle = new Handle();
  const { current } = scheduler();
  const again = (): void => {
    handle.task = scheduler().after(delayMs, again, current);
    run(...values);
  };
  handle.task = scheduler().after(delayMs, again, current);
  return handle;
}

function immediate(run: Callback, ...values: unknown[]): Handle {
  const handle = new Handle();
  handle.task = scheduler().turn(() => run(...values));
  handle.task.isPlain = !isNative(run);
  return handle;
}

/** Whether a function is Node's or the language's own, such as what resolves a promise. */
function isNative(run: Callback): boolean {
  return Function.prototype.toString.call(run).endsWith('{ [native code] }');
}

function clear(handle: unknown): void {
  if (handle instanceof Handle) handle.cancel();
}

type AnyFunction = (...values: never[]) => unknown;

/** The real one before there is a world: modules are loaded with it. */
function inWorld(simulated: AnyFunction, real: AnyFunction): AnyFunction {
  return (...values) => (isInWorld() ? simulated : real)(...values);
}

function replaceTimers(): void {
  const { setTimeout, setInterval, setImmediate } = timers;
  const { clearTimeout, clearInterval, clearImmediate } = timers;
  const all = {
    setTimeout: inWorld(timeout, setTimeout),
    setInterval: inWorld(interval, setInterval),
    setImmediate: inWorld(immediate, setImmediate),
    clearTimeout: inWorld(clear, clearTimeout),
    clearInterval: inWorld(clear, clearInterval),
    clearImmediate: inWorld(clear, clearImmediate),
  };
  Object.assign(globalThis, all);
  Object.assign(timers, all);
  Object.assign(timersPromises, {
    setTimeout: (delayMs: number, value: unknown) =>
      new Promise((resolve) => timeout(() => resolve(value), delayMs)),
  });
}

function replaceClocks(): void {
  const performance = { now: () => scheduler().nowMs, timeOrigin: 0 };
  Object.defineProperty(globalThis, 'performance', { value: performance, configurable: true });
  const { now } = Date;
  Date.now = () => (isInWorld() ? scheduler().wallMs : now());
  const hrtime = (): [number, number] => {
    const { nowMs } = scheduler();
    const seconds = Math.floor(nowMs / 1e3);
    return [seconds, (nowMs - seconds * 1e3) * 1e6];
  };
  Object.assign(process, { hrtime });
}

function replaceRandomness(): void {
  const random = () => currentMachine().random;
  Math.random = () => random().unit();
  Object.assign(crypto, {
    randomInt: (limit: number) => random().below(limit),
    randomBytes: (length: number) => Buffer.from(Array.from({ length }, () => random().below(256))),
  });
}

/** Whatever touches shared words may be where a thread is interrupted, or ends. */
function replaceAtomics(): void {
  const { load, store, add, sub, compareExchange } = Atomics;
  type Words = Int32Array<SharedArrayBuffer>;
  Object.assign(Atomics, {
    load: (words: Words, index: number) => {
      touched();
      return load(words, index);
    },
    store: (words: Words, index: number, value: number) => {
      touched();
      return store(words, index, value);
    },
    add: (words: Words, index: number, value: number) => {
      touched();
      return add(words, index, value);
    },
    sub: (words: Words, index: number, value: number) => {
      touched();
      return sub(words, index, value);
    },
    compareExchange: (words: Words, index: number, expected: number, value: number) => {
      touched();
      return compareExchange(words, index, expected, value);
    },
  });
}

function replaceSleeps(): void {
  Object.assign(Atomics, {
    waitAsync: (words: Int32Array, index: number, value: number, timeoutMs: number) =>
      currentMachine().sleepers.wait(words, index, value, timeoutMs),
    notify: (words: Int32Array, index: number) => currentMachine().sleepers.notify(words, index),
  });
}

function replaceSockets(): void {
  Object.assign(net, {
    connect: (options: { host: string; port: number }) => currentMachine().network.connect(options),
    createServer: (_: unknown, accept: (socket: unknown) => void) =>
      currentMachine().network.createServer(accept),
  });
  const { writeSync, openSync, closeSync } = fs;
  Object.assign(fs, {
    writeSync: (fd: number, bytes: Uint8Array, at: number, length: number, position?: number) => {
      const { network } = currentMachine();
      if (network.isSocket(fd)) return network.writeNow(fd, bytes, at, length);
      return writeSync(fd, bytes, at, length, position);
    },
    // The lock of the data directory: what it takes is a file to ask flock(1) for. From version
    // 22 on Node reads modules through this too, by URL.
    openSync: (path: fs.PathLike, ...rest: [string, number]) =>
      typeof path === 'string' && path.startsWith(FOLDER) ? LOCK : openSync(path, ...rest),
    closeSync: (fd: number) => (fd === LOCK ? currentMachine().unlock() : closeSync(fd)),
  });
  const { spawnSync } = childProcess;
  Object.assign(childProcess, {
    spawnSync: (command: string, ...rest: [string[], object]) =>
      command === 'flock' ? currentMachine().lock() : spawnSync(command, ...rest),
  });
}

/** A descriptor that no real file has. */
const LOCK = 2 ** 30 - 1;

export function replaceBuiltins(): void {
  // Loaded by `require` first: what modules import of it later is what stands there then.
  const piscina = createRequire(import.meta.url)('piscina');
  Object.defineProperty(piscina, 'Piscina', { value: SimulatedPool });
  replaceTimers();
  replaceClocks();
  replaceRandomness();
  replaceAtomics();
  replaceSleeps();
  replaceSockets();
  syncBuiltinESMExports();
  process.on('unhandledRejection', (error) => currentMachine().rejected(error));
}
