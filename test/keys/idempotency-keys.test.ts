/** Keys over a store in memory, in virtual time: nothing here waits for a real clock. */
import { beforeEach, describe, expect, test } from 'vitest';
import { SessileError } from '../../src/core/errors.ts';
import { RefusedError } from '../../src/core/session-errors.ts';
import { IdempotencyKeys } from '../../src/keys/idempotency-keys.ts';
import type { KeyOptions } from '../../src/keys/options.ts';
import { FakeStore } from './fake-store.ts';
import { quiet, VirtualClock } from './virtual-clock.ts';
import { Outcome, Work } from './work.ts';

const LEASE_MS = 30_000;
const DAY_MS = 86_400_000;

let clock: VirtualClock;
let store: FakeStore;
let work: Work;
beforeEach(() => {
  clock = new VirtualClock();
  store = new FakeStore(clock);
  work = new Work();
});

/** Keys of a process of its own. */
function keysWith(options: KeyOptions = {}): IdempotencyKeys {
  return new IdempotencyKeys(store, { clock, ...options });
}

/** Starts a run and lets it go as far as it can without time. */
async function start(
  keys: IdempotencyKeys,
  key: string | Uint8Array = 'k',
  fingerprint?: string | Uint8Array,
  fn: () => unknown = work.run,
  signal?: AbortSignal,
): Promise<Outcome<unknown>> {
  const outcome = new Outcome(keys.run(key, fingerprint, fn, { signal }));
  await quiet();
  return outcome;
}

/** Keys of a process that has died: it renews nothing and settles nothing. */
async function startAndCrash(key = 'k'): Promise<void> {
  const silent = { ...clockOf(), every: () => () => {} };
  const keys = new IdempotencyKeys(store, { clock: silent });
  const crashed = await start(keys, key, undefined, () => new Promise(() => {}));
  expect(crashed.state).toBe('pending');
}

function clockOf() {
  return {
    nowMs: () => clock.nowMs(),
    sleep: (ms: number, signal: AbortSignal | undefined) => clock.sleep(ms, signal),
  };
}

describe('one caller', () => {
  test('the function runs once and its result is kept', async () => {
    const keys = keysWith();
    expect(await keys.run('k', 'f', () => ({ receipt: 'A-1' }))).toEqual({ receipt: 'A-1' });
    const again = await keysWith().run('k', 'f', () => 'not run');
    expect(again).toEqual({ receipt: 'A-1' });
    expect(store.log).toEqual(['register', 'batch', 'register', 'peek']);
    expect(clock.alarms).toBe(0);
  });

  test.each([[undefined], [null], [0], [''], [[1, 'two']], [2n ** 60n], [{ deep: { er: [] } }]])(
    'a result of %o comes back as it was',
    async (result) => {
      expect(await keysWith().run('k', undefined, () => result)).toEqual(result);
      expect(await keysWith().run('k', undefined, () => 'not run')).toEqual(result);
    },
  );

  test('bytes and dates come back as bytes and dates', async () => {
    const result = { bytes: Uint8Array.of(1, 2), at: new Date(5000) };
    await keysWith().run('k', undefined, () => result);
    const again = await keysWith().run('k', undefined, () => result);
    expect([...again.bytes]).toEqual([1, 2]);
    expect(again.at).toEqual(new Date(5000));
    expect(again).not.toBe(result);
  });

  test('different keys run apart, a text and its bytes are one key', async () => {
    const keys = keysWith();
    expect(await keys.run('a', undefined, () => 1)).toBe(1);
    expect(await keys.run('b', undefined, () => 2)).toBe(2);
    expect(await keys.run(Buffer.from('a'), undefined, () => 3)).toBe(1);
  });

  test('another secret makes other keys', async () => {
    await keysWith().run('k', undefined, () => 1);
    expect(await keysWith({ secret: 'other' }).run('k', undefined, () => 2)).toBe(2);
  });

  test('a result is kept for the retention and not longer', async () => {
    await keysWith().run('k', undefined, () => 1);
    await clock.advance(DAY_MS);
    expect(await keysWith().run('k', undefined, () => 2)).toBe(1);
    await clock.advance(1);
    expect(await keysWith().run('k', undefined, () => 3)).toBe(3);
  });

  test('the lease is renewed for as long as the function runs', async () => {
    const run = await start(keysWith());
    await clock.advance(10 * LEASE_MS);
    expect(store.count('touch')).toBe(30);
    await work.finish('late');
    expect(run.value).toBe('late');
    expect(clock.alarms).toBe(0);
  });

  test('a renewal that fails is made up for by the next one', async () => {
    const run = await start(keysWith());
    let failures = 0;
    store.before = (what) => {
      if (what === 'touch' && failures++ < 2) throw new Error('the line is down');
    };
    await clock.advance(2 * LEASE_MS);
    await work.finish('done');
    expect(run.value).toBe('done');
  });
});

describe('callers at the same time', () => {
  test('one of them runs the function and all get its result', async () => {
    const runs = await Promise.all(Array.from({ length: 10 }, () => start(keysWith())));
    expect(work.runs).toBe(1);
    await clock.advance(1000);
    expect(runs.every(({ state }) => state === 'pending')).toBe(true);
    await work.finish({ n: 1 });
    await clock.advance(100);
    expect(runs.map(({ value }) => value)).toEqual(runs.map(() => ({ n: 1 })));
    expect(work.runs).toBe(1);
    expect(clock.alarms).toBe(0);
  });

  test('a waiting caller looks ever less often, every 100 ms in the end', async () => {
    await start(keysWith());
    await start(keysWith());
    const looks: number[] = [];
    for (const ms of [5, 10, 20, 40, 80, 100, 100]) {
      await clock.advance(ms - 1);
      looks.push(store.count('peek'));
      await clock.advance(1);
    }
    expect(looks).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(store.count('peek')).toBe(8);
  });

  test('a caller that shall not wait is refused at once', async () => {
    await start(keysWith());
    const other = await start(keysWith({ onBusy: 'reject' }));
    expect(other.error).toMatchObject({
      name: 'KeyInProgressError',
      code: 'key_in_progress',
      key: 'k',
      waitedMs: 0,
      details: { key: 'k', waited_ms: 0 },
    });
    expect(other.error).toBeInstanceOf(SessileError);
  });

  test('a caller waits no longer than it wants to', async () => {
    await start(keysWith());
    const other = await start(keysWith({ waitMs: 250 }));
    await clock.advance(249);
    expect(other.state).toBe('pending');
    await clock.advance(1);
    expect(other.error).toMatchObject({ code: 'key_in_progress', waitedMs: 250 });
    expect(other.error?.message).toMatch(/"k" is being run by another caller, still after 250 ms/);
  });

  test('when the function throws, only its caller hears of it and another one runs', async () => {
    const first = await start(keysWith());
    const others = [await start(keysWith()), await start(keysWith())];
    const reason = new Error('declined');
    await work.fail(reason);
    expect(first.error).toBe(reason);
    await clock.advance(100);
    expect(work.runs).toBe(2);
    await work.finish('second try');
    await clock.advance(100);
    expect(others.map(({ value }) => value)).toEqual(['second try', 'second try']);
  });

  test('a function that throws at once frees the key as well', async () => {
    const fails = () => {
      throw new Error('at once');
    };
    await expect(keysWith().run('k', undefined, fails)).rejects.toThrow('at once');
    expect(await keysWith().run('k', undefined, () => 2)).toBe(2);
  });

  test('what the function threw is told even if the key cannot be freed', async () => {
    store.before = (what) => {
      if (what === 'close') throw new Error('the line is down');
    };
    const run = await start(keysWith());
    await work.fail(new Error('declined'));
    expect(run.error?.message).toBe('declined');
    expect(clock.alarms).toBe(0);
    await clock.advance(LEASE_MS + 1);
    expect(await keysWith().run('k', undefined, () => 2)).toBe(2);
  });
});

describe('a key used for something else', () => {
  test('is refused while it runs and after it ran', async () => {
    const keys = keysWith();
    const first = await start(keys, 'k', 'pay 100');
    const during = await start(keys, 'k', 'pay 999');
    expect(during.error).toMatchObject({
      name: 'KeyMismatchError',
      code: 'key_mismatch',
      key: 'k',
    });
    await work.finish('paid');
    expect(first.value).toBe('paid');
    const after = await start(keys, 'k', 'pay 999');
    expect(after.error).toMatchObject({ code: 'key_mismatch' });
    expect((await start(keys, 'k', 'pay 100')).value).toBe('paid');
    expect(work.runs).toBe(1);
  });

  test('a fingerprint may be longer than a session’s data', async () => {
    const keys = keysWith();
    await keys.run('k', 'x'.repeat(100_000), () => 1);
    expect(await keys.run('k', 'x'.repeat(100_000), () => 2)).toBe(1);
    const other = await start(keys, 'k', `${'x'.repeat(99_999)}y`);
    expect(other.error).toMatchObject({ code: 'key_mismatch' });
  });

  test('without a fingerprint nothing is compared', async () => {
    const keys = keysWith();
    await keys.run('a', undefined, () => 1);
    expect(await keys.run('a', 'f', () => 2)).toBe(1);
    await keys.run('b', 'f', () => 3);
    expect(await keys.run('b', undefined, () => 4)).toBe(3);
  });
});

describe('a crash of the one who runs the key', () => {
  test('frees the key after the lease and not before', async () => {
    await startAndCrash();
    const other = await start(keysWith({ waitMs: 2 * LEASE_MS }));
    await clock.advance(LEASE_MS);
    expect(work.runs).toBe(0);
    await clock.advance(101);
    expect(work.runs).toBe(1);
    await work.finish('by another');
    expect(other.value).toBe('by another');
  });

  test('callers that come again and again do not keep it alive', async () => {
    await startAndCrash();
    for (let i = 0; i < 10; i++) {
      const refused = await start(keysWith({ onBusy: 'reject' }));
      expect(refused.error).toMatchObject({ code: 'key_in_progress' });
      await clock.advance(LEASE_MS / 10);
    }
    await clock.advance(1);
    expect(await keysWith({ onBusy: 'reject' }).run('k', undefined, () => 'free')).toBe('free');
  });

  test('after it just one of those who wait runs the function', async () => {
    await startAndCrash();
    const waiting = [1, 2, 3].map(() => start(keysWith({ waitMs: 2 * LEASE_MS })));
    const outcomes = await Promise.all(waiting);
    await clock.advance(LEASE_MS + 200);
    expect(work.runs).toBe(1);
    await work.finish('once');
    await clock.advance(100);
    expect(outcomes.map(({ value }) => value)).toEqual(['once', 'once', 'once']);
  });
});

describe('a key that is lost while its function runs', () => {
  test('is told to the one who ran it, with the result, and the later one’s is kept', async () => {
    const frozen = { ...clockOf(), every: () => () => {} };
    const slow = new Work();
    const first = await start(keysWith({ clock: frozen }), 'k', undefined, slow.run);
    await clock.advance(LEASE_MS + 1);
    const second = await start(keysWith());
    await slow.finish('too late');
    expect(first.error).toMatchObject({
      name: 'KeyLeaseLostError',
      code: 'key_lease_lost',
      key: 'k',
      result: 'too late',
    });
    expect(first.error?.cause).toMatchObject({ reason: 'session_too_low' });
    await work.finish('kept');
    expect(second.value).toBe('kept');
    expect(await keysWith().run('k', undefined, () => 'not run')).toBe('kept');
  });

  test('a late failure does not free it from under the later one', async () => {
    const frozen = { ...clockOf(), every: () => () => {} };
    const slow = new Work();
    const first = await start(keysWith({ clock: frozen }), 'k', undefined, slow.run);
    await clock.advance(LEASE_MS + 1);
    const second = await start(keysWith());
    await slow.fail(new Error('late'));
    expect(first.error?.message).toBe('late');
    const third = await start(keysWith({ onBusy: 'reject' }));
    expect(third.error).toMatchObject({ code: 'key_in_progress' });
    await work.finish('kept');
    expect(second.value).toBe('kept');
  });

  test('an evicted session is a lost key', async () => {
    const run = await start(keysWith());
    store.clear();
    await work.finish('ran');
    expect(run.error).toMatchObject({ code: 'key_lease_lost', result: 'ran' });
  });
});

describe('a result that cannot be kept', () => {
  test.each(['too_large', 'body_too_large'])('because it is %s is not made twice', async (why) => {
    if (why === 'body_too_large') store.bodyBytesMax = 500;
    const big = 'x'.repeat(2000);
    const expected = { name: 'KeyResultTooLargeError', code: 'key_result_too_large', key: 'k' };
    const first = await start(keysWith(), 'k', 'f', () => big);
    expect(first.error).toMatchObject({ ...expected, result: big });
    const second = await start(keysWith(), 'k', 'f');
    expect(second.error).toMatchObject({ ...expected, result: undefined });
    expect((await start(keysWith(), 'k', 'g')).error).toMatchObject({ code: 'key_mismatch' });
    expect(work.runs).toBe(0);
    await clock.advance(DAY_MS);
    expect((await start(keysWith(), 'k', 'f')).error).toMatchObject(expected);
  });

  test('because msgpack cannot carry it is not made twice', async () => {
    const expected = { name: 'KeyResultNotStorableError', code: 'key_result_not_storable' };
    const first = await start(keysWith(), 'k', 'f', () => ({ callback() {} }));
    expect(first.error).toMatchObject({ ...expected, cause: { option: 'body' } });
    const second = await start(keysWith(), 'k', 'f');
    expect(second.error).toMatchObject(expected);
    expect(work.runs).toBe(0);
  });

  test('because the answer was lost is an unknown outcome, with the result', async () => {
    const down = new Error('the line is down');
    store.after = (what) => {
      if (what === 'batch') throw down;
    };
    const run = await start(keysWith(), 'k', undefined, () => 'ran');
    expect(run.error).toMatchObject({ code: 'key_outcome_unknown', result: 'ran', cause: down });
    store.after = () => {};
    expect(await keysWith().run('k', undefined, () => 'not run')).toBe('ran');
  });

  test('and the mark for that neither, since the key was lost as well', async () => {
    store.after = () => {};
    store.before = (what) => {
      if (what === 'batch' && store.count('batch') === 1) store.clear();
    };
    const run = await start(keysWith(), 'k', undefined, () => 'x'.repeat(2000));
    expect(run.error).toMatchObject({ code: 'key_lease_lost' });
  });
});

describe('an abort', () => {
  const reason = new Error('no time');

  test('before the run does nothing at all', async () => {
    const run = await start(keysWith(), 'k', undefined, work.run, AbortSignal.abort(reason));
    expect(run.error).toBe(reason);
    expect(store.log).toEqual([]);
  });

  test('while waiting rejects with its reason at once', async () => {
    await start(keysWith());
    const controller = new AbortController();
    const other = await start(keysWith(), 'k', undefined, work.run, controller.signal);
    controller.abort(reason);
    await quiet();
    expect(other.error).toBe(reason);
    expect(work.runs).toBe(1);
  });

  test('after the register and before the function frees the key', async () => {
    const controller = new AbortController();
    store.after = (what) => {
      if (what === 'register') controller.abort(reason);
    };
    const run = await start(keysWith(), 'k', undefined, work.run, controller.signal);
    expect(run.error).toBe(reason);
    expect([work.runs, store.data]).toEqual([0, undefined]);
  });

  test('does not interrupt a function that has begun', async () => {
    const controller = new AbortController();
    const run = await start(keysWith(), 'k', undefined, work.run, controller.signal);
    controller.abort(reason);
    await work.finish('done');
    expect(run.value).toBe('done');
  });
});

describe('a store that fails', () => {
  test('before the function ran is told as it is', async () => {
    const full = new RefusedError('sessions_exhausted', 'every session is in use');
    store.before = () => {
      throw full;
    };
    expect((await start(keysWith())).error).toBe(full);
    expect(work.runs).toBe(0);
  });

  test('a register that was sent twice finds its own session and runs', async () => {
    const register = store.register.bind(store);
    store.register = async (id, options) => {
      await register(id, options);
      return register(id, options);
    };
    const run = await start(keysWith({ onBusy: 'reject' }));
    await work.finish('ran');
    expect(run.value).toBe('ran');
  });

  test('a caller whose time is over as the key comes free runs it', async () => {
    const first = await start(keysWith());
    const second = await start(keysWith({ waitMs: 5 }));
    store.before = (what) => {
      if (what === 'peek') store.clear();
    };
    await clock.advance(5);
    expect(work.runs).toBe(2);
    await work.finish('lost');
    await work.finish('kept');
    expect([first.error?.code, second.value]).toEqual(['key_lease_lost', 'kept']);
  });

  test('a session that is there and is not does not hold a caller for ever', async () => {
    await start(keysWith());
    store.call = () => Promise.reject(new RefusedError('no_session', 'gone'));
    let nowMs = 0;
    const hasty = { ...clockOf(), every: () => () => {}, nowMs: () => nowMs++ };
    const other = new Outcome(keysWith({ clock: hasty, waitMs: 50 }).run('k', undefined, work.run));
    await quiet();
    expect(other.error).toMatchObject({ code: 'key_in_progress' });
  });
});

describe('wrong arguments', () => {
  test.each<[keyof KeyOptions, unknown]>([
    ['leaseMs', 9],
    ['leaseMs', 2 ** 31],
    ['retentionMs', 0],
    ['waitMs', -1],
    ['secret', ''],
    ['secret', 5],
    ['onBusy', 'queue'],
  ])('option %s = %o is refused', (option, value) => {
    expect(() => keysWith({ [option]: value })).toThrow(
      expect.objectContaining({ code: 'invalid_options', option, value }),
    );
  });

  test.each<[string, unknown, unknown]>([
    ['key', '', undefined],
    ['key', 5, undefined],
    ['key', '\ud800', undefined],
    ['fingerprint', 'k', 5],
    ['fingerprint', 'k', null],
  ])('a wrong %s is refused before anything happens', async (option, key, fingerprint) => {
    const run = await start(keysWith(), key as string, fingerprint as string);
    expect(run.error).toMatchObject({ code: 'invalid_options', option });
    expect(store.log).toEqual([]);
  });
});
