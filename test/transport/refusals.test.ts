/**
 * Messages that are well-formed and cannot be served: each gets the one error that the protocol
 * gives it, consumes no request number, and its connection goes on.
 */
import { describe, expect, it } from 'vitest';
import {
  CALL,
  CLOSE,
  ECHO,
  EVICTION,
  type Frame,
  GET,
  idOf,
  REGISTER,
  REGISTERED,
  REPLY,
  REQUEST,
  RESULT,
} from './raw-client.ts';
import { BODY_BYTES_MAX, expectError, frameOf, ID, setUp } from './setup.ts';

const TTL_MS_MAX = 2 ** 32 - 2;

describe.each(['direct', 'worker'] as const)('a server that runs %s', (run) => {
  const on = setUp(run);

  it('refuses ttl_ms of a wrong type or value, and registers nothing', async () => {
    const wrong: [unknown, string][] = [
      [0, '0'],
      [-1, '-1'],
      [-(2 ** 31), '-2147483648'],
      [1.5, '1.5'],
      [TTL_MS_MAX + 1, '4294967295'],
      [2 ** 53, '9007199254740992'],
      [Number.NaN, 'NaN'],
      ['1000', 'NaN'],
      [[1], 'NaN'],
    ];
    for (const [ttl, text] of wrong) {
      const message = await expectError(
        on.client,
        frameOf(REGISTER, idOf(50), { ttl_ms: ttl }),
        'invalid_options',
        idOf(50),
        null,
      );
      const range = `it must be nil or a whole number from 1 to ${TTL_MS_MAX}`;
      expect(message).toBe(`ttl_ms is ${text}; ${range}`);
    }
    on.client.send(REQUEST, idOf(50), 1, 1, ECHO, null);
    expect(await on.client.next()).toEqual([EVICTION, idOf(50), 1, 'no_session']);
  });

  it('refuses options that it does not know or does not have', async () => {
    const range = 'it must be whole numbers from 1 to 100000 and 1 to 1000000';
    const list = 'capabilities is not an array of names';
    const scope = 'scope must be "connection" or nil';
    const refused: [Record<string, unknown>, string][] = [
      [{ colour: 1 }, 'the option colour is not known'],
      [{ ttl_ms: 5, colour: null }, 'the option colour is not known'],
      [{ rate: [0, 1] }, `rate is [0, 1]; ${range}`],
      [{ rate: [1, -1] }, `rate is [1, -1]; ${range}`],
      [{ rate: [1.5, 1] }, `rate is [1.5, 1]; ${range}`],
      [{ rate: [100_001, 1] }, `rate is [100001, 1]; ${range}`],
      [{ rate: ['1', 1] }, `rate is [NaN, 1]; ${range}`],
      [{ rate: [1] }, 'rate must be [per_second, burst]'],
      [{ rate: 5 }, 'rate must be [per_second, burst]'],
      [{ scope: 'server' }, 'scope is server; it must be "connection" or nil'],
      [{ scope: 1 }, scope],
      [{ capabilities: 'all' }, list],
      [{ capabilities: ['a', 1] }, list],
      [{ capabilities: [1, 'a', null, { b: [2] }] }, list],
      [{ data: [1] }, 'data is not a map'],
      [{ data: { text: 'x'.repeat(1100) } }, 'data has 1109 bytes; data_bytes_max is 1024'],
    ];
    for (const [options, why] of refused) {
      const bytes = frameOf(REGISTER, idOf(51), options);
      const message = await expectError(on.client, bytes, 'invalid_options', idOf(51), null);
      expect(message).toBe(why);
    }
    // Nothing was registered by any of them.
    on.client.send(REQUEST, idOf(51), 1, 1, ECHO, null);
    expect(await on.client.next()).toEqual([EVICTION, idOf(51), 1, 'no_session']);
  });

  it('takes options that say nothing, and a ttl_ms in any form', async () => {
    const nothing = { rate: null, scope: null, data: null, capabilities: [] };
    const granted = { resumed: false, rate: null, capabilities: [] };
    for (const [ttl, i] of [1, TTL_MS_MAX, null].map((value, index) => [value, index] as const)) {
      on.client.send(REGISTER, idOf(60 + i), { ...nothing, ttl_ms: ttl });
      const answer = await on.client.next();
      expect(answer).toEqual([REGISTERED, idOf(60 + i), answer[2], 0, { ...granted, ttl_ms: ttl }]);
    }
  });

  it('refuses a request number that is zero, stale, ahead or beyond the last', async () => {
    const at = (n: number): Buffer => frameOf(REQUEST, ID, on.session, n, ECHO, null);
    await expectError(on.client, at(0), 'request_stale', ID, 0);
    await expectError(on.client, at(2), 'request_gap', ID, 2);
    await expectError(on.client, at(2 ** 32 - 1), 'request_gap', ID, 2 ** 32 - 1);
    // The number itself does not fit the field that names it: the last one stands there.
    await expectError(on.client, at(2 ** 32), 'requests_exhausted', ID, 2 ** 32 - 1);
    await expectError(on.client, at(2 ** 32 + 7), 'requests_exhausted', ID, 2 ** 32 - 1);
    on.client.raw(at(1));
    expect(await on.client.next()).toEqual([REPLY, ID, on.session, 1, 0, null]);
    await expectError(on.client, at(0), 'request_stale', ID, 0);
  });

  it('refuses operations that the service has not, whatever their number', async () => {
    for (const operation of [11, 255, 256, 257, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1]) {
      const bytes = frameOf(REQUEST, ID, on.session, 1, operation, null);
      await expectError(on.client, bytes, 'unknown_operation', ID, 1);
      await expectError(
        on.client,
        frameOf(CALL, 9, ID, operation, null),
        'unknown_operation',
        null,
        9,
      );
    }
    await expectError(
      on.client,
      frameOf(CALL, 9, null, 'shutdown', null),
      'unknown_operation',
      null,
      9,
    );
    on.client.send(REQUEST, ID, on.session, 1, ECHO, 'not consumed');
    expect(await on.client.next()).toEqual([REPLY, ID, on.session, 1, 0, 'not consumed']);
  });

  it('refuses a body above the limit and executes one of exactly the limit', async () => {
    const sizes = { body_bytes: BODY_BYTES_MAX + 1, body_bytes_max: BODY_BYTES_MAX };
    const long = 'x'.repeat(BODY_BYTES_MAX - 2);
    const bytes = frameOf(REQUEST, ID, on.session, 1, ECHO, long);
    await expectError(on.client, bytes, 'body_too_large', ID, 1, sizes);
    await expectError(
      on.client,
      frameOf(CALL, 2, ID, ECHO, long),
      'body_too_large',
      null,
      2,
      sizes,
    );
    const fits = long.slice(1);
    on.client.send(REQUEST, ID, on.session, 1, ECHO, fits);
    expect(await on.client.next()).toEqual([REPLY, ID, on.session, 1, 0, fits]);
  });

  it('fences sessions off: too low, too high, and none', async () => {
    await expectError(
      on.client,
      frameOf(REQUEST, ID, on.session + 1, 1, ECHO, 0),
      'session_too_high',
      ID,
      1,
    );
    on.client.send(REQUEST, ID, on.session - 1, 1, ECHO, 0);
    expect(await on.client.next()).toEqual([EVICTION, ID, on.session - 1, 'session_too_low']);
    on.client.send(REQUEST, ID, 0, 1, ECHO, 0);
    expect(await on.client.next()).toEqual([EVICTION, ID, 0, 'session_too_low']);
    on.client.send(CLOSE, idOf(77), 0);
    expect(await on.client.next()).toEqual([EVICTION, idOf(77), 0, 'no_session']);
    await expectError(on.client, frameOf(CALL, 3, idOf(77), GET, null), 'no_session', null, 3);
    await expectError(on.client, frameOf(CLOSE, ID, on.session + 1), 'session_too_high', ID, null);
    on.client.send(CALL, 4, ID, GET, null);
    expect(await on.client.next()).toEqual([RESULT, 4, 0, [0, {}]] satisfies Frame);
  });
});
