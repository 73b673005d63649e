/** How many files and sockets a server may need, and whether the system lets it. */
import { expect, test } from 'vitest';
import { descriptorsNeeded } from '../../src/operating/descriptors.ts';
import { descriptorLimit } from '../../src/transport/descriptors.ts';
import { Command } from '../cli/command.ts';

test('the limit is what the system says of this process, and unknown elsewhere', () => {
  const linux = 'Limit  Soft Limit\nMax open files            1024     4096     files\n';
  expect(descriptorLimit(() => linux)).toBe(1024);
  expect(descriptorLimit(() => '')).toBeUndefined();
  expect(descriptorsNeeded(10_000, 3)).toBeGreaterThan(10_000);
});

test.skipIf(process.platform !== 'linux')(
  'a start says that there are too few, and goes on',
  async () => {
    const args = ['serve', '--port', '0', '--shards', '0'];
    const env = { SESSILE_LOG_FORMAT: 'json' };
    const few = new Command(args, env, 'ulimit -n 1000');
    await few.port();
    few.kill('SIGTERM');
    const { code, err } = await few.ended;
    expect(code).toBe(0);
    const told = err.split('\n').filter((line) => line.includes('descriptors_low'));
    expect(told.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'warn', limit: 1000, needed: descriptorsNeeded(10_000, 0) },
    ]);
  },
);
