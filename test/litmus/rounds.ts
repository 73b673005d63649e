/**
 * The litmus rounds: real threads on real shared memory, with parameters drawn from a seed. Each
 * returns what it counted and throws when anything was lost, torn, out of order, or stuck.
 */
import { once } from 'node:events';
import { Header } from '../../src/core/layout.ts';
import { createLogBuffer } from '../../src/core/log-buffer.ts';
import { createDoorbell } from '../../src/workers/doorbell.ts';
import { createRing } from '../../src/workers/ring.ts';
import type { Random } from '../crash/random.ts';
import { type Counts, Round, type Setup } from './watch.ts';

/** Longer than any run, so that no sleep ends by itself. */
const SLEEP_MS = 2 ** 31 - 1;

export interface Work extends Setup {
  /** How much a round does, in records of a ring; the others scale with it. */
  readonly records: number;
  /** False for a sleeper that has a fault: it does not look again before it sleeps. */
  readonly looksAgain: boolean;
}

export interface Litmus {
  /** What must have happened in a run, or it has shown nothing. */
  readonly counted: readonly string[];
  /** Runs a round. */
  run(work: Work, random: Random): Promise<Counts>;
}

/** Positions from which the counter passes 2^31, 2^32 or neither in a round. */
function startOf(random: Random): number {
  return random.pick([0, 2 ** 31 - 4_096, -4_096]);
}

async function finish(round: Round, work: Promise<unknown>): Promise<Counts> {
  try {
    await round.until(work);
    return round.counts;
  } finally {
    await round.end();
  }
}

const ring: Litmus = {
  counted: ['records', 'wraps', 'full', 'empty', 'early'],
  run(work, random) {
    const round = new Round(work, ring.counted);
    const memory = createRing(random.pick([64, 128, 512, 4_096]));
    const start = startOf(random);
    for (const word of [0, 32, 64, 65, 96, 97]) new Int32Array(memory)[word] = start;
    const data = { memory, records: work.records, seed: random.seed };
    const sides = ['ring-consumer', 'ring-producer'];
    const threads = sides.map((side) =>
      round.start(side, { ...data, paceSeed: random.below(1e9) }),
    );
    return finish(round, Promise.all(threads.map(({ ended }) => ended)));
  },
};

function bell(listens: boolean): Litmus {
  const counted = ['records', 'sleeps', 'wakes', ...(listens ? ['hushes'] : [])];
  return {
    counted,
    run(work, random) {
      const round = new Round(work, [...counted]);
      const rings = [createRing(64), createRing(64)];
      const bells = [createDoorbell(), createDoorbell()];
      const tokens = random.pick([1, 1, 1, 2]);
      const threads = [0, 1].map((side) =>
        round.start('bell-side', {
          inbox: rings[side],
          outbox: rings[1 - side],
          ownBell: bells[side],
          otherBell: bells[1 - side],
          // The tokens begin on one side.
          tokens: side === 0 ? tokens : 0,
          hops: Math.ceil(work.records / 10),
          seed: random.below(1e9),
          listens: listens && side === 0,
          looksAgain: work.looksAgain,
          sleepMs: SLEEP_MS,
        }),
      );
      return finish(round, Promise.all(threads.map(({ ended }) => ended)));
    },
  };
}

const meeting: Litmus = {
  counted: ['hushed', 'prepared', 'rung', 'seen'],
  run(work, random) {
    const round = new Round(work, meeting.counted);
    const data = {
      inbox: createRing(64),
      ownBell: createDoorbell(),
      meetings: new SharedArrayBuffer(8),
      rounds: Math.ceil(work.records / 16),
    };
    const threads = [true, false].map((sleeps) =>
      round.start('meeting', { ...data, sleeps, seed: random.below(1e9) }),
    );
    return finish(round, Promise.all(threads.map(({ ended }) => ended)));
  },
};

/** Where the words lie that the owner protects: behind the header of an arena. */
const PROTECTED = 512;

const owner: Litmus = {
  counted: ['records', 'handovers', 'takeovers'],
  async run(work, random) {
    const round = new Round(work, ['records', 'handovers']);
    const arena = new SharedArrayBuffer(4_096);
    const runners = random.between(2, 3);
    const width = random.between(3, 40);
    let takeovers = 0;
    const start = (runner: number, lingers: boolean, rounds: number) =>
      round.start('owner', {
        ...{ arena, base: PROTECTED, width, runner, runners, rounds, lingers },
        seed: random.below(1e9),
      });
    const rounds = Math.ceil(work.records / 20);
    const living = [];
    for (let runner = 2; runner <= runners; runner++) {
      living.push(start(runner, false, rounds).ended);
    }
    /** One that is ended again and again, most often inside, and another with its number. */
    const dying = async () => {
      for (let deaths = random.between(2, 4); deaths > 0; deaths--) {
        const { worker, ended } = start(1, true, Number.MAX_SAFE_INTEGER);
        await once(worker, 'message');
        await pause(random.below(8));
        await worker.terminate();
        await ended;
        if (Atomics.load(new Int32Array(arena), Header.OWNER) === 1) takeovers += 1;
      }
      await start(1, true, 10).ended;
    };
    const counts = await finish(round, Promise.all([...living, dying()]));
    return { ...counts, takeovers };
  },
};

const log: Litmus = {
  counted: [
    'records',
    'wraps',
    'full',
    'batches',
    'again',
    'durable',
    'waits',
    'publishedLater',
    'takeovers',
  ],
  async run(work, random) {
    const round = new Round(work, [...log.counted, 'sleeps']);
    const words = random.pick([256, 1_024, 8_192]);
    const memory = createLogBuffer(words);
    const start = startOf(random);
    for (const word of [0, 32, 64, 65, 96]) new Int32Array(memory)[word] = start;
    const entries = Math.ceil(work.records / 4);
    const data = {
      memory,
      entries,
      arena: new SharedArrayBuffer(4_096),
      bell: createDoorbell(),
      entryMax: words / 8,
      serialWord: PROTECTED,
      writtenWord: PROTECTED + 32,
      seed: random.seed,
      sleepMs: SLEEP_MS,
    };
    const thread = (name: string, runner: number) =>
      round.start(name, { ...data, runner, paceSeed: random.below(1e9) });
    const appenders = [1, 2].map((runner) => thread('appender', runner).ended);
    let takeovers = -1;
    /** Writers that are ended anywhere, or end themselves, until one has written all. */
    const written = async () => {
      for (let isDone = false; !isDone; takeovers++) {
        const { worker, ended } = thread('log-writer', 0);
        worker.once('message', () => {
          isDone = true;
        });
        await (random.chance(50) ? ended : Promise.race([ended, pause(random.between(40, 120))]));
        await worker.terminate();
      }
    };
    const counts = await finish(round, Promise.all([...appenders, written()]));
    return { ...counts, takeovers };
  },
};

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export const LITMUS: Readonly<Record<string, Litmus>> = {
  ring,
  bell: bell(false),
  hush: bell(true),
  meet: meeting,
  owner,
  log,
};
