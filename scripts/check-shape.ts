/** Runs the shape check over the tree: `npx tsx scripts/check-shape.ts`. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { check } from './shape.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const FOLDERS_SKIPPED = new Set(['.git', 'node_modules', 'dist', 'results', 'coverage']);
/** Names of text files. Walking the tree, not asking git, makes it work on an unpacked archive. */
const IS_TEXT =
  /(?:^|\/)[^.]+$|^\.\w+$|\.(?:[cm]?[jt]s|jsonc?|md|py|sh|ya?ml|toml|html|css|svg|txt)$/;

const files = new Map<string, string>();

function readFolder(prefix: string): void {
  for (const entry of readdirSync(ROOT + prefix, { withFileTypes: true })) {
    const path = prefix + entry.name;
    if (entry.isDirectory() && !FOLDERS_SKIPPED.has(entry.name)) readFolder(`${path}/`);
    if (entry.isFile() && IS_TEXT.test(path)) files.set(path, readFileSync(ROOT + path, 'utf8'));
  }
}

readFolder('');
const problems = check(files);
for (const { path, line, message, isNote } of problems) {
  console.log(`${path}:${line} ${isNote ? 'note: ' : ''}${message}`);
}
const errors = problems.filter(({ isNote }) => !isNote).length;
console.log(`${files.size} files, ${errors} errors, ${problems.length - errors} notes`);
if (errors > 0) process.exitCode = 1;
