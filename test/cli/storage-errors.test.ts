/** `sessile serve --data-dir` on disks that are full, or that fail. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../dist/transport/client/connection.js';
import { Command } from './command.ts';

const PAD = 'x'.repeat(900);
/** Long enough for whatever is answered at all. */
const PATIENCE = { timeoutMs: 20_000 };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sessile-cli-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A small file system of its own; undefined where that is not allowed. */
function smallDisk(bytes: number): string | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const path = mkdtempSync(join(tmpdir(), 'sessile-disk-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path]);
  if (status === 0) return path;
  rmSync(path, { recursive: true });
  return undefined;
}

function removeDisk(path: string): void {
  spawnSync('umount', ['-l', path]);
  rmSync(path, { recursive: true });
}

const probe = smallDisk(65_536);
if (probe !== undefined) removeDisk(probe);

async function client(command: Command) {
  const connection = await connect({ port: await command.port() });
  onTestFinished(() => connection.close());
  return connection;
}

test.each(['0', '1'])(
  'a log that cannot be written ends the server for good, with %s shards',
  async (shards) => {
    const args = ['serve', '--port', '0', '--shards', shards, '--data-dir', folder()];
    // In blocks of 1 KiB: what is written behind that fails with EFBIG.
    const command = new Command(args, {}, 'ulimit -f 32');
    const connection = await client(command);
    const session = await connection.session();
    const over = command.ended.then(() => false);
    let acknowledged = 0;
    for (let goesOn = true; goesOn; ) {
      const put = session.put({ n: acknowledged + 1, pad: PAD }, PATIENCE).then(
        () => true,
        () => false,
      );
      goesOn = await Promise.race([put, over]);
      if (goesOn) acknowledged += 1;
    }
    const { code, err } = await command.ended;
    expect(err).toMatch(/^sessile: the log of shard 0 cannot be written: EFBIG.*\n$/);
    expect(code).toBe(70);
    expect(acknowledged).toBeGreaterThan(10);
    const again = new Command(args);
    const resumed = await (await client(again)).session({ id: session.id });
    expect(resumed).toMatchObject({ session: session.session, resumed: true });
    const { data } = await resumed.get();
    expect([acknowledged, acknowledged + 1]).toContain(data.n);
    again.kill('SIGTERM');
    expect((await again.ended).code).toBe(0);
  },
);

test.skipIf(probe === undefined).each(['0', '1'])(
  'a full disk refuses writes and goes on when there is room, with %s shards (root and mount)',
  async (shards) => {
    const disk = smallDisk(1024 * 1024)!;
    onTestFinished(() => removeDisk(disk));
    const path = join(disk, 'data');
    mkdirSync(path);
    const args = ['serve', '--port', '0', '--shards', shards, '--data-dir', path];
    const command = new Command(args, { SESSILE_LOG_FORMAT: 'json' });
    onTestFinished(async () => {
      command.kill('SIGKILL');
      await command.ended;
    });
    const connection = await client(command);
    const session = await connection.session();
    await session.put({ n: 0 });
    const other = await connection.session();
    await other.put({ n: 7 });
    const filler = join(disk, 'filler');
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(filler, Buffer.alloc(bavail * bsize));
    const { errors } = await connection.stats();
    const calls: Promise<string>[] = [];
    do {
      const call = connection.call(session.id, 'increment', ['n', 1], PATIENCE);
      calls.push(call.then(() => 'ok', codeOf));
    } while ((await connection.stats()).errors === errors);
    // Others hear at once that nothing can be stored, and reads go on.
    const refused = connection.call(other.id, 'increment', ['n', 1], PATIENCE).catch(codeOf);
    expect(await refused).toBe('storage_failed');
    expect(await connection.session(PATIENCE).catch(codeOf)).toBe('storage_failed');
    expect((await connection.data(other.id).get()).data).toEqual({ n: 7 });
    expect((await connection.inspect(other.id))?.version).toBe(1);
    // Its operator hears of both, once each.
    await command.told('"event":"storage_full"');
    rmSync(filler);
    // What was on its way when the disk was full is done now; what came then was refused.
    const told = await Promise.all(calls);
    expect(new Set(told)).toEqual(new Set(['ok', 'storage_failed']));
    const done = told.filter((code) => code === 'ok').length;
    expect(await session.increment('n')).toBe(done + 1);
    await command.told('"event":"storage_writable"');
    command.kill('SIGKILL');
    const { err } = await command.ended;
    expect(err.match(/storage_(?:full|writable)/g)).toEqual(['storage_full', 'storage_writable']);
    const again = new Command(args);
    const resumed = await (await client(again)).session({ id: session.id });
    expect(resumed).toMatchObject({ session: session.session, lastRequest: 2 });
    expect((await resumed.get()).data).toEqual({ n: done + 1 });
    again.kill('SIGTERM');
    expect(await again.ended).toMatchObject({ code: 0, err: '' });
  },
);

function codeOf(error: unknown): string {
  return (error as { code: string }).code;
}
