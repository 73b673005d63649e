/** Bursts of the same warning become one line with a count, on a clock that the test moves. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  BURST_ADDRESSES_MAX,
  BURST_WINDOW_MS,
  BURSTS_MAX,
  EventBursts,
} from '../../src/embedding/event-bursts.ts';
import { Recorder } from './recorder.ts';

let nowMs: number;
let recorder: Recorder;
let bursts: EventBursts;

beforeEach(() => {
  nowMs = 1_000;
  recorder = new Recorder();
  bursts = new EventBursts(recorder, () => nowMs);
});

const refused = (address: string, code = 'server_busy') =>
  bursts.warn('connection_refused', { code, address });

describe('a burst of the same warning', () => {
  test('is told once at its beginning, and once with a count when its window is over', () => {
    for (let i = 0; i < 1_000; i++) refused('10.0.0.1');
    expect(recorder.events).toEqual([
      {
        level: 'warn',
        event: 'connection_refused',
        fields: { code: 'server_busy', address: '10.0.0.1' },
      },
    ]);
    nowMs += BURST_WINDOW_MS - 1;
    bursts.flush();
    expect(recorder.events).toHaveLength(1);
    nowMs += 1;
    bursts.flush();
    expect(recorder.events[1].fields).toEqual({
      code: 'server_busy',
      count: 999,
      within_ms: BURST_WINDOW_MS,
      addresses: ['10.0.0.1'],
    });
    expect(recorder.events).toHaveLength(2);
  });

  test('that goes on is told once a window, and begins anew after a quiet one', () => {
    for (let window = 0; window < 3; window++) {
      for (let i = 0; i < 10; i++) refused('10.0.0.1');
      nowMs += BURST_WINDOW_MS;
      bursts.flush();
    }
    expect(recorder.events.map(({ fields }) => fields.count)).toEqual([undefined, 9, 10, 10]);
    nowMs += BURST_WINDOW_MS;
    bursts.flush();
    refused('10.0.0.2');
    expect(recorder.events).toHaveLength(5);
    expect(recorder.events[4].fields).toEqual({ code: 'server_busy', address: '10.0.0.2' });
  });

  test('is told apart from others by event, code and shard', () => {
    refused('10.0.0.1');
    refused('10.0.0.1', 'unauthorized');
    bursts.warn('worker_replaced', { shard: 0 });
    bursts.warn('worker_replaced', { shard: 1 });
    bursts.warn('worker_replaced', { shard: 1 });
    expect(recorder.events).toHaveLength(4);
  });

  test('names some of the addresses, and says that there were more', () => {
    for (let i = 0; i <= BURST_ADDRESSES_MAX + 5; i++) refused(`10.0.0.${i}`);
    bursts.flush(true);
    const { addresses, more_addresses: more, count } = recorder.events[1].fields;
    expect(addresses).toHaveLength(BURST_ADDRESSES_MAX);
    expect([more, count]).toEqual([true, BURST_ADDRESSES_MAX + 5]);
  });

  test('counts what another thread has counted before', () => {
    bursts.warn('hook_failed', { message: 'x' });
    bursts.warn('hook_failed', { message: 'x', count: 40 });
    bursts.warn('hook_failed', { message: 'x', count: 2 });
    bursts.flush(true);
    expect(recorder.events.map(({ fields }) => fields.count)).toEqual([undefined, 42]);
  });
});

test('as many kinds as are counted at a time, and no more: the oldest is told and given up', () => {
  for (let kind = 0; kind <= BURSTS_MAX; kind++) {
    refused('10.0.0.1', `code ${kind}`);
    refused('10.0.0.1', `code ${kind}`);
  }
  // One line each, and that of the one that was given up.
  expect(recorder.events).toHaveLength(BURSTS_MAX + 2);
  expect(recorder.events.at(-2)?.fields).toMatchObject({ code: 'code 0', count: 1 });
  bursts.flush(true);
  expect(recorder.events).toHaveLength(2 * (BURSTS_MAX + 1));
});

test('infos and errors are told each, at once', () => {
  for (let i = 0; i < 3; i++) bursts.info('configuration_reloaded', { read: [] });
  for (let i = 0; i < 3; i++) bursts.error('reload_failed', { code: 'x' });
  expect(recorder.events).toHaveLength(6);
});

test('a log that throws harms nobody', async () => {
  const warned = new Promise((resolve) => process.once('warning', resolve));
  const broken = () => {
    throw new Error('no ink');
  };
  const fragile = new EventBursts({ info: broken, warn: broken, error: broken }, () => nowMs);
  fragile.info('listening');
  expect(String(await warned)).toContain('the log threw at listening: no ink');
});
