/**
 * Notices a run that does not come to an end, which the thread that hangs cannot do itself: a
 * worker that sees which input is being run, and for how long.
 */
import { Worker } from 'node:worker_threads';
import { INPUT_BYTES_MAX } from './target.ts';

/** A run takes milliseconds; a machine that is busy otherwise is not mistaken for a hang. */
const HANG_MS = 60_000;
const LOOK_MS = 1_000;
const NAME_BYTES_MAX = 64;

const enum At {
  RUN = 0,
  LENGTH = 1,
  NAME_LENGTH = 2,
}

/** In words: a heading, a name, an input. */
const NAME_AT = 16;
const INPUT_AT = NAME_AT + NAME_BYTES_MAX;

const LOOKS = `
const { workerData } = require('node:worker_threads');
const { writeSync } = require('node:fs');
const words = new Int32Array(workerData.memory);
const bytes = Buffer.from(workerData.memory);
const text = (at, length) => bytes.subarray(at, at + length);
let run = 0;
let since = Date.now();
setInterval(() => {
  const now = words[${At.RUN}];
  if (now !== run || now % 2 === 0) {
    run = now;
    since = Date.now();
  }
  if (Date.now() - since < ${HANG_MS}) return;
  const name = text(${NAME_AT}, words[${At.NAME_LENGTH}]).toString();
  const hex = text(${INPUT_AT}, words[${At.LENGTH}]).toString('hex');
  writeSync(2, 'hangs: npm run fuzz -- --target ' + name + ' --input ' + hex + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, ${LOOK_MS});
`;

export class Watchdog {
  readonly #memory = new SharedArrayBuffer(INPUT_AT + INPUT_BYTES_MAX);
  readonly #words = new Int32Array(this.#memory, 0, NAME_AT / 4);
  readonly #bytes = new Uint8Array(this.#memory);
  readonly #worker: Worker;

  constructor() {
    this.#worker = new Worker(LOOKS, { eval: true, workerData: { memory: this.#memory } });
    this.#worker.unref();
  }

  /** Runs something that is expected to end. */
  watch<T>(name: string, input: Uint8Array, run: () => T): T {
    const bytes = input.subarray(0, INPUT_BYTES_MAX);
    const label = Buffer.from(name).subarray(0, NAME_BYTES_MAX);
    this.#bytes.set(label, NAME_AT);
    this.#bytes.set(bytes, INPUT_AT);
    this.#words[At.NAME_LENGTH] = label.length;
    this.#words[At.LENGTH] = bytes.length;
    // Odd while it runs.
    Atomics.add(this.#words, At.RUN, 1);
    try {
      return run();
    } finally {
      Atomics.add(this.#words, At.RUN, 1);
    }
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
