/**
 * The inputs that are kept, one file each under `corpus/<target>/`: hexadecimal digits in lines,
 * with comments that say why. They are replayed before anything else.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('./corpus/', import.meta.url));
const DIGITS_A_LINE = 96;

export interface Kept {
  readonly name: string;
  readonly input: Uint8Array;
}

export function readCorpus(target: string): Kept[] {
  const folder = `${FOLDER}${target}/`;
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.hex'))
    .map((entry) => entry.name)
    .sort();
  return names.map((name) => ({ name, input: parseHex(readFileSync(folder + name, 'utf8')) }));
}

/** Keeps an input. Returns the path of its file. */
export function keep(target: string, name: string, input: Uint8Array, why: string): string {
  const path = `${FOLDER}${target}/${name}.hex`;
  const digits = Buffer.from(input).toString('hex');
  const lines = digits.match(new RegExp(`.{1,${DIGITS_A_LINE}}`, 'g')) ?? [];
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `# ${why}\n${lines.join('\n')}\n`);
  return path;
}

/** Bytes from digits; spaces, line ends and what follows a # do not count. */
export function parseHex(text: string): Uint8Array {
  const digits = text.replaceAll(/#.*$/gm, '').replaceAll(/\s/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) {
    throw new Error(`pairs of hexadecimal digits are expected, not ${digits.slice(0, 40)}`);
  }
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}
