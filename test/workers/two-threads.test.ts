/**
 * Rings, doorbell and owner word between real threads, which run what was built: a torn record, a
 * lost wake-up or a second owner shows here. Nothing is timed. A lost wake-up makes the consumer
 * sleep past the deadline of its test. `npm run litmus` does the same for as long as one likes.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createDoorbell } from '../../src/workers/doorbell.ts';
import { createRing } from '../../src/workers/ring.ts';

const SEED = Number(process.env.FC_SEED ?? 7377);
/** Seconds are enough, unless others need the processors too. */
const DEADLINE_MS = 60_000;
/** Longer than the deadline, so that no sleep ends by itself. */
const SLEEP_MS = 90_000;
const DATA = 128;

interface Traffic {
  readonly words: number;
  readonly count: number;
  readonly burstMax: number;
  readonly pauseMax: number;
  readonly start?: number;
  readonly sleeps?: boolean;
}

interface Report {
  readonly taken: number;
  readonly problem: string | undefined;
  readonly sleeps: number;
  readonly offsets: number;
}

function thread(name: string, workerData: unknown): Worker {
  return new Worker(new URL(`./threads/${name}.mjs`, import.meta.url), { workerData });
}

/** Resolves when the thread has ended by itself; its error fails the test. */
async function ended(worker: Worker): Promise<void> {
  const [code] = await once(worker, 'exit');
  expect(code).toBe(0);
}

/** A ring with canaries on both sides of what its threads may touch. */
function guardedRing(words: number, start: number): SharedArrayBuffer {
  const memory = createRing(words);
  const view = new Int32Array(memory);
  for (const word of [0, 32, 64, 65, 96, 97]) view[word] = start;
  for (const [from, to] of CANARIES) view.fill(0x5eed, from, to);
  return memory;
}

/** The header's words that hold nothing. */
const CANARIES = [
  [1, 32],
  [33, 64],
  [66, 96],
  [104, DATA],
] as const;

async function run(traffic: Traffic): Promise<Report> {
  const memory = guardedRing(traffic.words, traffic.start ?? 0);
  const doorbellMemory = traffic.sleeps ? createDoorbell() : undefined;
  const data = { ...traffic, memory, doorbellMemory, seed: SEED, sleepMs: SLEEP_MS };
  const consumer = thread('consumer', data);
  const producer = thread('producer', data);
  try {
    const [[report]] = await Promise.all([once(consumer, 'message'), ended(producer)]);
    const view = new Int32Array(memory);
    for (const [from, to] of CANARIES) {
      expect(view.subarray(from, to).every((word) => word === 0x5eed)).toBe(true);
    }
    expect(report, `seed ${SEED}`).toMatchObject({ problem: undefined, taken: traffic.count });
    return report as Report;
  } finally {
    await Promise.all([consumer.terminate(), producer.terminate()]);
  }
}

it(
  'many records cross a small ring whole and in order, over every offset',
  async () => {
    const report = await run({ words: 512, count: 400_000, burstMax: 40, pauseMax: 20 });
    // The shortest record has 4 words: none begins 2 before the end, or 2 behind the start.
    expect(report.offsets).toBe(512 / 2 - 2);
  },
  DEADLINE_MS,
);

it(
  'records cross the smallest ring while its positions pass 2^31 and 2^32',
  async () => {
    for (const start of [2 ** 31 - 2 ** 18, -(2 ** 18)]) {
      await run({ words: 64, count: 40_000, burstMax: 3, pauseMax: 4, start });
    }
  },
  DEADLINE_MS,
);

it(
  'no wake-up is lost in many records, to a consumer that sleeps whenever it may',
  async () => {
    const report = await run({
      words: 2048,
      count: 400_000,
      burstMax: 60,
      pauseMax: 2_000,
      sleeps: true,
    });
    expect(report.sleeps).toBeGreaterThan(100);
  },
  DEADLINE_MS,
);

it(
  'no wake-up is lost to a consumer that sleeps after almost every record',
  async () => {
    const report = await run({
      words: 256,
      count: 25_000,
      burstMax: 2,
      pauseMax: 6_000,
      sleeps: true,
    });
    expect(report.sleeps).toBeGreaterThan(500);
  },
  DEADLINE_MS,
);

it(
  'a producer and a sleeper that act at the same moment never both miss each other',
  async () => {
    const shared = {
      memory: createRing(64),
      doorbellMemory: createDoorbell(),
      meetings: new SharedArrayBuffer(4),
      rounds: 40_000,
    };
    const sleeper = thread('rendezvous', { ...shared, sleeps: true, seed: SEED });
    const producer = thread('rendezvous', { ...shared, sleeps: false, seed: SEED + 1 });
    const [[report]] = await Promise.all([once(sleeper, 'message'), ended(producer)]);
    expect(report.lost, `seed ${SEED}`).toBe(0);
    expect(report.rang).toBeGreaterThan(0);
    await sleeper.terminate();
  },
  DEADLINE_MS,
);

it(
  'three threads that take the owner word in turn never see each other half way',
  async () => {
    const memory = new SharedArrayBuffer(4096);
    const rounds = 300_000;
    const counters = { counterWord: 512, counterFloat: 300, meetingWord: 700 };
    const threads = [1, 2, 3].map((runner) =>
      thread('incrementer', { memory, runner, threads: 3, rounds, ...counters }),
    );
    await Promise.all(threads.map(ended));
    expect(new Int32Array(memory)[counters.counterWord]).toBe(3 * rounds);
    expect(new Float64Array(memory)[counters.counterFloat]).toBe(3 * rounds);
  },
  DEADLINE_MS,
);
