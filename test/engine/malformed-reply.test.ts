/** An operation that writes no whole value: its own caller hears of it, and nobody else. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const SERVICE = `export default {
  name: 'half',
  operations: {
    half: { number: 0, execute: ({ reply }) => reply.array(2) },
    later: { number: 1, execute: async ({ reply }) => reply.array(2) },
    ok: { number: 2, unsequenced: true, execute: (context) => context.replyWith('ok') },
  },
};`;

/** Runs in a process of its own, because an error that nobody catches would end it. */
const PROGRAM = `
const { Engine } = await import(process.argv[1]);
const service = 'data:text/javascript,' + encodeURIComponent(process.argv[3]);
const engine = await Engine.start({ shards: Number(process.argv[2]), service, sessionsMax: 4 });
const id = '1'.repeat(32);
const { session } = await engine.register(id);
const half = await engine.request(id, session, 1, 'half').then((r) => r.status, () => 'refused');
const later = await engine.request(id, session, 2, 'later').then((r) => r.status, () => 'refused');
const ok = await engine.call(id, 'ok');
await engine.stop();
console.log(JSON.stringify([half, later, ok.body]));
`;

test.each([0, 1])('half a value on %i shards ends no process and no other request', (shards) => {
  const index = new URL('../../dist/index.js', import.meta.url).href;
  const args = ['--input-type=module', '-e', PROGRAM, index, String(shards), SERVICE];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: 5000,
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const [half, later, ok] = JSON.parse(stdout);
  expect(['failed', 'refused']).toContain(half);
  expect(['failed', 'refused']).toContain(later);
  expect(ok).toBe('ok');
});
