/** Options that are wrong: each is refused by its name and with the value that was given. */
import { describe, expect, test } from 'vitest';
import { RUNNERS_MAX, SHARDS_MAX } from '../../dist/core/limits.js';
import type { EngineOptions } from '../../dist/embedding/options.js';
import { Engine } from '../../dist/engine.js';
import { serve } from '../../dist/serve.js';
import * as h from './helpers.ts';

const none = { name: 'empty', operations: {} };

const WRONG: [string, unknown][] = [
  ['shards', -1],
  ['shards', 1.5],
  ['shards', '2'],
  ['shards', SHARDS_MAX + 1],
  ['shards', Number.NaN],
  ['sessionsMax', 0],
  ['sessionsMax', 2 ** 30 + 1],
  ['sessionsMax', null],
  ['onFull', 'drop'],
  ['onFull', null],
  ['dataBytesMax', 15],
  ['dataBytesMax', 2 ** 24 + 1],
  ['replyBytesMax', 0],
  ['replyBytesMax', '2048'],
  ['bodyBytesMax', -1],
  ['bodyBytesMax', Number.POSITIVE_INFINITY],
  ['ttlMs', 0],
  ['ttlMs', 2 ** 32 - 1],
  ['ttlMs', 'never'],
  ['executeTimeoutMs', 0],
  ['executeTimeoutMs', 3_600_001],
  ['run', 'anywhere'],
  ['run', 0],
  ['service', null],
  ['onRecoveryProgress', 'often'],
];

describe('an engine does not start', () => {
  test.each(WRONG)('when %s is %j', async (option, value) => {
    const options = { shards: 0, [option]: value } as EngineOptions;
    const error = await h.failure(Engine.start(options));
    expect(error).toMatchObject({ name: 'InvalidOptionError', option, value });
    expect(error.message).toContain(option);
  });

  test.each([42, true, Symbol('service')])(
    'when service is %s, which is no service',
    async (value) => {
      const error = await h.failure(Engine.start({ shards: 0, service: value as never }));
      expect(error).toMatchObject({ name: 'InvalidOptionError', option: 'service' });
    },
  );

  test.each([Symbol('name'), Object.create(null), 7, ''])(
    'when an option is an object that names its constructor %s',
    async (name) => {
      const value = { constructor: { name } };
      const error = await h.failure(Engine.start({ shards: value as never }));
      expect(error).toMatchObject({ name: 'InvalidOptionError', option: 'shards', value });
      expect(error.message).toContain('shards is a object');
    },
  );

  test('when the service is an object and there are workers', async () => {
    const error = await h.failure(Engine.start({ shards: 1, service: none }));
    expect(error).toMatchObject({ name: 'InvalidOptionError', option: 'service', value: none });
  });

  test.each(['dataBytesMax', 'replyBytesMax', 'bodyBytesMax'])(
    'when %s would need a ring that is too long',
    async (option) => {
      const value = 2 ** 24;
      const options = { shards: 0, sessionsMax: 1, [option]: value };
      const error = await h.failure(Engine.start(options));
      expect(error).toMatchObject({ name: 'InvalidOptionError', option, value });
    },
  );

  test('when its sessions do not fit into memory', async () => {
    const value = 100_000_000;
    const error = await h.failure(Engine.start({ shards: 0, sessionsMax: value }));
    expect(error).toMatchObject({ name: 'InvalidOptionError', option: 'sessionsMax', value });
    const sharded = await h.failure(Engine.start({ shards: 4, sessionsMax: value }));
    expect(sharded).toMatchObject({ name: 'InvalidOptionError', option: 'sessionsMax', value });
  });

  test('with more shards than there are runner numbers for workers and front end', () => {
    expect(SHARDS_MAX + 1).toBeLessThan(RUNNERS_MAX);
  });
});

test.each([5, 'read', [1], new Array(2), {}])(
  'a register is refused when its capabilities are %j',
  async (value) => {
    const engine = await h.startEngine({ shards: 0 });
    const error = await h.failure(engine.register(h.id(1), { capabilities: value as never }));
    expect(error).toMatchObject({ name: 'InvalidOptionError', option: 'capabilities', value });
  },
);

test('a service does not offer capabilities without a name', async () => {
  const service = { ...none, capabilities: new Array(1) };
  const error = await h.failure(Engine.start({ shards: 0, service }));
  expect(error).toMatchObject({ option: 'service.capabilities' });
});

test.each([Symbol.iterator, { toString: () => 'length' }, null, undefined, 0.5])(
  'an operation that is neither a name nor a number is none that the service has',
  async (operation) => {
    const engine = await h.startEngine({ shards: 0 });
    const { session } = await engine.register(h.id(1));
    const error = await h.failure(engine.request(h.id(1), session, 1, operation as never));
    expect(error).toMatchObject({ code: 'unknown_operation' });
  },
);

test('options that are undefined count as not given', async () => {
  const engine = await h.startEngine({ shards: 0, ttlMs: undefined, run: undefined } as object);
  expect(await engine.register(h.id(1))).toMatchObject({ ttlMs: 3_600_000 });
});

test.each([
  ['port', -1],
  ['port', 65_536],
  ['connectionsMax', 0],
  ['frameBytesMax', 10],
  ['host', 5],
  ['host', ''],
  ['bodyBytesMax', 65_536],
  ['sessionsMax', 0],
])('a server does not start when %s is %j', async (option, value) => {
  const error = await h.failure(serve({ shards: 0, port: 0, [option]: value }));
  expect(error).toMatchObject({ name: 'InvalidOptionError', option, value });
});

test('a server that cannot listen says so and leaves no engine behind', async () => {
  const first = await serve({ shards: 0, port: 0 });
  const { port } = first.address;
  const error = await h.failure(serve({ shards: 1, port }));
  expect(error).toMatchObject({ name: 'SessileError', code: 'cannot_listen' });
  await first.stop();
  await first.stop();
});
