/**
 * Checks the package as it would be published: packs it, then looks at the archive with publint
 * and attw. The archive lies in a folder of its own, which goes away whatever they say.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'sessile-package-'));

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'inherit' });
}

try {
  run('npm', 'pack', '--pack-destination', folder);
  const archive = join(folder, readdirSync(folder)[0]);
  run('npx', 'publint', 'run', '--strict', archive);
  // The package is ESM only; attw would otherwise ask for CommonJS entries as well.
  run('npx', 'attw', '--profile', 'esm-only', archive);
} catch (error) {
  // The tool has said what is wrong; a stack of this script would add nothing.
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
