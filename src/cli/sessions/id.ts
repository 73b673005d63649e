/** Client ids on the command line. */
import { InvalidArgumentError } from 'commander';

const ID = /^[0-9a-f]{32}$/i;

export function isId(text: string): boolean {
  return ID.test(text);
}

export function parseId(text: string): string {
  if (isId(text)) return text.toLowerCase();
  throw new InvalidArgumentError('It must be 32 hexadecimal digits.');
}
