/** The files of the console page that are served, and none else. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readAssets } from '../../src/operating/assets.ts';
import { ASSETS_MAX } from '../../src/operating/limits.ts';

function folder(files: readonly string[]): string {
  const path = mkdtempSync(join(tmpdir(), 'sessile-assets-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  mkdirSync(join(path, 'parts'));
  for (const file of files) writeFileSync(join(path, file), file);
  return path;
}

it('serves files of known types under their paths, and the page at the root', () => {
  const files = ['index.html', 'main.js', 'main.d.ts', 'main.js.map', 'style.css', 'parts/a.js'];
  const assets = readAssets(folder([...files, 'notes.txt']));
  const found = [...assets].map(([path, { type, bytes }]) => [path, type, String(bytes)]);
  expect(found.sort()).toEqual([
    ['/', 'text/html; charset=utf-8', 'index.html'],
    ['/index.html', 'text/html; charset=utf-8', 'index.html'],
    ['/main.js', 'text/javascript; charset=utf-8', 'main.js'],
    ['/parts/a.js', 'text/javascript; charset=utf-8', 'parts/a.js'],
    ['/style.css', 'text/css; charset=utf-8', 'style.css'],
  ]);
});

it('tells in words that there is no page where none was built', () => {
  for (const path of [folder([]), join(tmpdir(), 'sessile-no-such-folder')]) {
    const assets = readAssets(path);
    expect([...assets.keys()]).toEqual(['/']);
    expect(assets.get('/')).toMatchObject({ type: 'text/plain; charset=utf-8' });
  }
});

it('keeps no more files than a page may have', () => {
  const many = Array.from({ length: ASSETS_MAX + 1 }, (_, n) => `${n}.js`);
  expect(() => readAssets(folder(many))).toThrow('as small as built');
});
