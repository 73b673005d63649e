/**
 * Results for people, as Markdown, and for programs, as JSON in bench/results.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

const ROOT = new URL('../../', import.meta.url);

/** The machine and the Node.js that measured, in one line. */
export function machine(): string {
  const cores = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cores.length} × ${cores[0].model}, ${gib} GiB, Node ${process.version}`;
}

/** The version of an installed package, read from its folder: not all export their package.json. */
export function installedVersion(name: string): string {
  const file = new URL(`node_modules/${name}/package.json`, ROOT);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** A Markdown table, its first column to the left and the others to the right. */
export function markdownTable(header: readonly string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = header.map((_, column) => (column === 0 ? '---' : '---:'));
  return [line(header), line(rule), ...rows.map(line)].join('\n');
}

/** Where all results go; made when it is not there. */
export function resultsFolder(): URL {
  const folder = new URL('bench/results/', ROOT);
  mkdirSync(folder, { recursive: true });
  return folder;
}

export function resultsFile(name: string): URL {
  return new URL(`${name}.json`, resultsFolder());
}

export function writeResults(name: string, results: object): void {
  const text = `${JSON.stringify({ machine: machine(), ...results }, null, 2)}\n`;
  writeFileSync(resultsFile(name), text);
}
