/** What is found by looking at the shared memory, whose contents and clock the test sets. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Arena } from '../../src/core/arena.ts';
import { Header } from '../../src/core/layout.ts';
import { LogState } from '../../src/core/log-buffer.ts';
import {
  EngineWatch,
  LOOKS,
  SWEEP_BEHIND_MS,
  SWEEP_CAUGHT_UP_MS,
  WATCH_MS,
} from '../../src/embedding/engine-watch.ts';
import { checkOptions } from '../../src/embedding/options.ts';
import {
  createShardMemory,
  logBufferOf,
  type ShardMemory,
} from '../../src/workers/shard-memory.ts';
import { Recorder } from './recorder.ts';

let memory: ShardMemory;
let recorder: Recorder;
let watch: EngineWatch;
let nowMs: number;

beforeEach(() => {
  const { sharding } = checkOptions({ shards: 2, sessionsMax: 8 });
  const journal = { folder: '/nowhere', engine: '', generation: 1, segmentBytesMax: 1 << 20 };
  const settings = { ...journal, syncs: true, intervalMs: 0, wallOffsetMs: 0 };
  memory = createShardMemory({ ...sharding, journal: settings }, 1, false);
  recorder = new Recorder();
  watch = new EngineWatch(memory, recorder);
  nowMs = 10_000;
  sweep(0);
  sweep(1);
});

function look(times = 1): void {
  for (let i = 0; i < times; i++) {
    nowMs += WATCH_MS;
    watch.look(nowMs);
  }
}

function disk(shard: number, state: LogState): void {
  logBufferOf(memory, shard)!.state = state;
}

/** The shard has looked for expired sessions up to so long before the next look. */
function sweep(shard: number, lagMs = 0): void {
  new Arena(memory.arenas[shard]).floats[Header.WHEEL_TIME / 2] = nowMs + WATCH_MS - lagMs;
}

describe('a disk', () => {
  beforeEach(() => {
    // The wheels are not what these tests look at.
    nowMs = -1e9;
  });

  test('that is full is told at the first look, once, and that there is room when it lasts', () => {
    look(3);
    expect(recorder.events).toEqual([]);
    disk(1, LogState.NO_ROOM);
    look(5);
    expect(recorder.events).toEqual([
      { level: 'warn', event: 'storage_full', fields: { shard: 1 } },
    ]);
    disk(1, LogState.OK);
    look(LOOKS - 1);
    expect(recorder.events).toHaveLength(1);
    look(5);
    expect(recorder.events[1]).toMatchObject({ level: 'info', event: 'storage_writable' });
    expect(recorder.events).toHaveLength(2);
  });

  test('that is full again and again is not told to be writable in between', () => {
    for (let i = 0; i < 10; i++) {
      disk(0, LogState.NO_ROOM);
      look();
      disk(0, LogState.OK);
      look();
    }
    expect(recorder.names).toEqual(['storage_full']);
  });

  test('that failed while it was full is not told to be writable', () => {
    disk(0, LogState.NO_ROOM);
    look();
    disk(0, LogState.FAILED);
    look(5);
    expect(recorder.names).toEqual(['storage_full']);
  });
});

describe('a sweep', () => {
  /** A look at which shard 0 lags so much and shard 1 not at all. */
  function lookWithLag(lagMs: number): void {
    sweep(0, lagMs);
    sweep(1);
    look();
  }

  test('that falls behind is told when it stays so, and once more when it has caught up', () => {
    lookWithLag(SWEEP_BEHIND_MS + 1);
    expect(recorder.events).toEqual([]);
    for (let i = 0; i < 5; i++) lookWithLag(SWEEP_BEHIND_MS + 500);
    expect(recorder.events).toEqual([
      { level: 'warn', event: 'sweep_behind', fields: { shard: 0, lag_ms: SWEEP_BEHIND_MS + 500 } },
    ]);
    // Better, and still not as it should be.
    for (let i = 0; i < 5; i++) lookWithLag(SWEEP_CAUGHT_UP_MS + 1);
    expect(recorder.events).toHaveLength(1);
    for (let i = 0; i < 5; i++) lookWithLag(0);
    expect(recorder.events[1]).toMatchObject({ level: 'info', event: 'sweep_caught_up' });
    expect(recorder.events).toHaveLength(2);
  });

  test('that is late once, as after a long turn of the event loop, is not told', () => {
    for (let i = 0; i < 5; i++) {
      lookWithLag(60_000);
      lookWithLag(0);
    }
    expect(recorder.events).toEqual([]);
  });
});
