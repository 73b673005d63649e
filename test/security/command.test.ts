/** The options about security on the command line, and SIGHUP. */
import { writeFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { connect } from '../../dist/transport/client/connection.js';
import { Command, run } from '../cli/command.ts';
import { errorOf } from '../client/peer.ts';
import { fileWith } from './files.ts';
import { BILLING, LIST, SHIPPING } from './setup.ts';

test('SIGHUP has tokens read again, and a bad list changes nothing', async () => {
  const tokens = fileWith(LIST);
  const command = new Command(['serve', '--port', '0', '--shards', '0'], {
    SESSILE_TOKENS: tokens,
    SESSILE_LOG_FORMAT: 'json',
    // Not 1: no reason to listen anywhere else.
    SESSILE_INSECURE: '0',
  });
  let errors = '';
  command.child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const port = await command.port();
  const billing = await connect({ port, token: BILLING });
  writeFileSync(tokens, 'nonsense\n');
  command.kill('SIGHUP');
  await vi.waitFor(() => expect(errors).toMatch(/line 1.*reload_failed/), 10_000);
  await billing.ping();
  writeFileSync(tokens, `${SHIPPING} shipping\n`);
  command.kill('SIGHUP');
  await vi.waitFor(() => expect(errors).toContain('configuration_reloaded'), 10_000);
  expect(await errorOf(connect({ port, token: BILLING }))).toMatchObject({ code: 'unauthorized' });
  expect(billing.state).toBe('failed');
  await (await connect({ port, token: SHIPPING })).close();
  const pinged = await run(['ping', String(port), '--token', SHIPPING, '--count', '1']);
  expect(pinged).toMatchObject({ code: 0, out: expect.stringContaining('pong in') });
  expect((await run(['ping', String(port), '--count', '1'])).code).toBe(1);
  command.kill('SIGTERM');
  expect((await command.ended).code).toBe(0);
});

test('a server beyond loopback without TLS does not start, and says why', async () => {
  const env = { SESSILE_INSECURE: '0' };
  const { code, err } = await run(['serve', '--port', '0', '--host', '0.0.0.0'], env);
  expect(code).not.toBe(0);
  expect(err).toMatch(/--host is "0\.0\.0\.0".*--tls-key.*--insecure/);
});
