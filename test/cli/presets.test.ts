/** Presets of `sessile serve`: each starts, and an option that is given counts more. */
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../dist/transport/client/connection.js';
import { Command, run } from './command.ts';

async function limitsOf(command: Command): Promise<{ sessionsMax: number; ttlMs: number | null }> {
  const connection = await connect({ port: await command.port() });
  onTestFinished(() => connection.close());
  const { sessionsMax } = await connection.stats();
  const { ttlMs } = await connection.session();
  command.kill('SIGTERM');
  expect(await command.ended).toMatchObject({ code: 0, err: '' });
  return { sessionsMax: Number(sessionsMax), ttlMs };
}

const MINUTE_MS = 60_000;

test.each([
  ['development', 1_000, 10 * MINUTE_MS],
  ['single-node', 1_000_000, 24 * 60 * MINUTE_MS],
  ['embedded', 10_000, 60 * MINUTE_MS],
])('the preset %s sets its options', async (preset, sessionsMax, ttlMs) => {
  const command = new Command(['serve', '--port', '0', '--preset', preset]);
  expect(await limitsOf(command)).toEqual({ sessionsMax, ttlMs });
});

test('options of the command line and of the environment count more than a preset', async () => {
  const args = ['serve', '--port', '0', '--preset', 'development', '--sessions-max', '7'];
  const command = new Command(args, { SESSILE_TTL_MS: '5000' });
  expect(await limitsOf(command)).toEqual({ sessionsMax: 7, ttlMs: 5000 });
});

test('a preset can be named in the environment, and an unknown one is refused', async () => {
  const command = new Command(['serve', '--port', '0'], { SESSILE_PRESET: 'embedded' });
  expect((await limitsOf(command)).sessionsMax).toBe(10_000);
  const refused = await run(['serve', '--preset', 'huge']);
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('Allowed choices are development, single-node, embedded');
});

test('a default rate limit is given to sessions that ask for none', async () => {
  const command = new Command(['serve', '--port', '0', '--rate', '1/2']);
  const connection = await connect({ port: await command.port() });
  onTestFinished(() => connection.close());
  const session = await connection.session();
  expect(session.rate).toEqual({ perSecond: 1, burst: 2 });
  await session.touch();
  await session.touch();
  await expect(session.touch()).rejects.toMatchObject({ code: 'rate_limited' });
  command.kill('SIGTERM');
  await command.ended;
});
