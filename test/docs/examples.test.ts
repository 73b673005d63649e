/**
 * Every runnable example of the documents is run in a process of its own, and prints what the
 * comments beside it say.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningServer, serve } from '../../dist/serve.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'docs/durability.md',
  'docs/embedding.md',
  'docs/idempotency-keys.md',
  'docs/security.md',
  'docs/metrics.md',
  'docs/operations.md',
];

let server: RunningServer;
let folder: string;

beforeAll(async () => {
  server = await serve({ port: 0, operatorPort: 0, shards: 1 });
  // Inside the package, where `sessile` resolves to the package itself.
  folder = await mkdtemp(join(ROOT, 'test', 'docs', '.examples-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
  await server.stop();
});

describe.each(DOCUMENTS)('%s', (document) => {
  test('each example prints what its comments say', async () => {
    const text = await readFile(join(ROOT, document), 'utf8');
    const examples = [...text.matchAll(/^```js run\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
    expect(examples.length).toBeGreaterThan(0);
    for (const [index, example] of examples.entries()) {
      const expected = [...example.matchAll(/\/\/ prints (.*)$/gm)].map((match) => match[1]);
      expect(expected.length).toBeGreaterThan(0);
      expect(await run(`${index}.mjs`, example)).toEqual(expected);
    }
  });
});

async function run(name: string, example: string): Promise<string[]> {
  const path = join(folder, name);
  const { address, operatorAddress } = server;
  const ports = { 7377: address.port, 7378: operatorAddress!.port };
  const text = example.replaceAll(/\b737[78]\b/g, (port) => String(ports[port as '7377']));
  await writeFile(path, text);
  const { stdout } = await promisify(execFile)(process.execPath, [path]);
  return stdout.trimEnd().split('\n');
}
