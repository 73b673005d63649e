/** An engine without workers that keeps its sessions on disk: full rings, failing disks, stops. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeDisk } from '../../dist/journal/disk.js';
import * as h from './helpers.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sessile-hazards-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Has every write fail until the function that it returns is called. */
function failWrites(error: Error): () => void {
  const { write } = nodeDisk;
  const restore = (): void => {
    nodeDisk.write = write;
  };
  nodeDisk.write = () => {
    throw error;
  };
  onTestFinished(restore);
  return restore;
}

/** Whether the event loop is ever seen with no turn asked for: one that spins never is. */
async function comesToRest(): Promise<boolean> {
  for (let looks = 0; looks < 20; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (!process.getActiveResourcesInfo().includes('Immediate')) return true;
  }
  return false;
}

test.each([0, 1])('a stop with %i workers keeps what its turn has committed', async (shards) => {
  const options = { shards, dataDir: folder(), durability: 'off', run: 'direct' } as const;
  const engine = await h.startEngine(options);
  const { session } = await engine.register(h.id(1));
  const { buffer } = engine.router.ports[0].table.log!;
  while (buffer.durablePosition !== buffer.position) await h.nextTurn();
  const reply = engine.request(h.id(1), session, 1, 'put', { a: 1 });
  const stopped = engine.stop();
  // A worker has time to find nothing to do, and to end.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  await Promise.all([reply, stopped]);
  const next = await h.startEngine(options);
  expect((await next.inspect(h.id(1)))?.request).toBe(1);
});

describe('an engine without workers', () => {
  test('lets a view go on although answers that wait for the log fill the ring', async () => {
    const engine = await h.startEngine({ shards: 0, dataDir: folder() });
    const view = engine.view();
    const { session } = view.register(h.id(1));
    view.request(h.id(1), session, 1, 'put', { a: 1 });
    const asked: Promise<unknown>[] = [];
    for (let n = 0; n < 20_000; n++) asked.push(engine.register(h.id(1 + (n % 64))));
    expect(view.register(h.id(1)).session).toBe(session);
    await Promise.all(asked);
    view.release();
  });

  test.each(['EIO', 'ENOSPC'])('comes to rest while its disk says %s', async (code) => {
    const engine = await h.startEngine({ shards: 0, dataDir: folder() });
    const restore = failWrites(Object.assign(new Error(code), { code }));
    engine.register(h.id(1)).catch(() => {});
    await h.nextTurn();
    expect(await comesToRest()).toBe(true);
    restore();
  });

  test('answers what waited for a full disk when there is room again', async () => {
    const engine = await h.startEngine({ shards: 0, dataDir: folder() });
    const restore = failWrites(Object.assign(new Error('full'), { code: 'ENOSPC' }));
    const asked = engine.register(h.id(1));
    for (let turn = 0; turn < 10; turn++) await h.nextTurn();
    restore();
    expect((await h.success(asked)).request).toBe(0);
  });

  test('gives the ticket of a request that was begun, also while its disk is full', async () => {
    const engine = await h.startEngine({ shards: 0, dataDir: folder() });
    const view = engine.view();
    const { session } = view.register(h.id(1));
    const restore = failWrites(Object.assign(new Error('full'), { code: 'ENOSPC' }));
    const asked = engine.register(h.id(2));
    const begun = view.begin(h.id(1), session, 1);
    expect(begun.verdict).toBe('execute');
    restore();
    view.commit(begun, 'done');
    await asked;
    expect(view.request(h.id(1), session, 2, 'get').status).toBe('ok');
    view.release();
  });
});
