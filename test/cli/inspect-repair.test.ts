/**
 * `sessile inspect` and `sessile repair` over real data directories, whole and damaged.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Engine } from '../../dist/index.js';
import { run } from './command.ts';

const SESSIONS = 20;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sessile-inspect-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(): Promise<Engine> {
  return Engine.start({ shards: 0, sessionsMax: 1000, ttlMs: null, dataDir: folder });
}

/** A directory whose log has a block for each of two steps of every session. */
async function fill(): Promise<void> {
  const engine = await start();
  const view = engine.view();
  for (let i = 1; i <= SESSIONS; i++) {
    const id = String(i).padStart(32, '0');
    const { session } = view.register(id);
    view.request(id, session, 1, 'put', { number: i });
  }
  view.release();
  await engine.stop();
}

function segments(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .sort();
}

function damage(name: string, offset: number): void {
  const bytes = readFileSync(join(folder, name));
  bytes[offset] ^= 0x10;
  writeFileSync(join(folder, name), bytes);
}

/** The files of the directory and what they hold. */
function contents(): Record<string, string> {
  const entries = readdirSync(folder).sort();
  return Object.fromEntries(entries.map((name) => [name, readFileSync(join(folder, name), 'hex')]));
}

test('inspect shows the segments of a whole directory and how many sessions it holds', async () => {
  await fill();
  const before = contents();
  const { code, out } = await run(['inspect', folder]);
  expect(code).toBe(0);
  expect(out).toContain(`${SESSIONS} sessions`);
  expect(out).toMatch(/g000001-s000-0000000\d\.log .*good/);
  expect(out.trimEnd().endsWith('whole')).toBe(true);
  expect(contents()).toEqual(before);
});

test('inspect --json gives the same as data', async () => {
  await fill();
  const { code, out } = await run(['inspect', folder, '--json']);
  const found = JSON.parse(out);
  expect(code).toBe(0);
  expect(found.sessions).toBe(SESSIONS);
  expect(found.segments.map((one: { name: string }) => one.name)).toEqual(segments());
  expect(found.segments.at(-1).states).toBe(2 * SESSIONS);
});

test('bytes behind the last block that were never acknowledged are no damage', async () => {
  await fill();
  const name = segments().at(-1) as string;
  // The block would have been longer: its begin is that of one which follows.
  const bytes = readFileSync(join(folder, name));
  const torn = Buffer.from(bytes.subarray(64, 164));
  torn.writeDoubleLE(bytes.byteLength - 64, 16);
  writeFileSync(join(folder, name), Buffer.concat([bytes, torn]));
  const { code, out } = await run(['inspect', folder]);
  expect(code).toBe(0);
  expect(out).toContain('100 bytes at the end were never acknowledged');
  const repaired = await run(['repair', folder]);
  expect(repaired.code).toBe(0);
  expect(repaired.out).toContain('nothing to repair');
});

test('inspect names damage, a start refuses it, and repair cuts it only when told', async () => {
  await fill();
  const name = segments().at(-1) as string;
  damage(name, 2_000);
  const before = contents();

  const inspected = await run(['inspect', folder]);
  expect(inspected.code).toBe(2);
  expect(inspected.out).toMatch(new RegExp(`damaged: ${name} at offset \\d+`));

  const refused = await start().then(
    () => undefined,
    (error: { code: string; details: { path: string; offset: number } }) => error,
  );
  expect(refused?.code).toBe('storage_corrupt');
  expect(refused?.details.path).toBe(join(folder, name));
  expect(refused?.details.offset).toBeLessThanOrEqual(2_000);

  const planned = await run(['repair', folder]);
  expect(planned.code).toBe(2);
  expect(planned.out).toContain('bytes of it would be lost');
  expect(planned.out).toContain('nothing was changed');
  expect(contents()).toEqual(before);

  const repaired = await run(['repair', folder, '--yes']);
  expect(repaired.code).toBe(0);
  const left = Number(/(\d+) sessions are left/.exec(repaired.out)?.[1]);
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(SESSIONS);
  const engine = await start();
  expect(engine.sessions).toBe(left);
  const page = await engine.list({ limit: 100 });
  expect(page.sessions.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: left }, (_, i) => i + 1),
  );
  await engine.stop();
});

test('a segment whose header is damaged goes whole, with those behind it', async () => {
  await fill();
  await start().then((engine) => engine.stop());
  damage(segments()[0], 20);
  const planned = await run(['repair', folder]);
  expect(planned.out).toContain(`${segments()[0]} at offset 0`);
  expect((await run(['repair', folder, '--yes'])).code).toBe(0);
  expect(segments()).toHaveLength(1);
  const engine = await start();
  expect(engine.sessions).toBe(0);
  await engine.stop();
});

test('repair does not touch a directory that a process uses', async () => {
  await fill();
  const engine = await start();
  const { code, err } = await run(['repair', folder, '--yes']);
  expect(code).toBe(1);
  expect(err).toContain('another process uses');
  await engine.stop();
});

test('a folder without a manifest is said to be none of ours', async () => {
  const { code, err } = await run(['inspect', folder]);
  expect(code).toBe(1);
  expect(err).toContain('sessile.json');
});
