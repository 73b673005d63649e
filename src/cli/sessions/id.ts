/** Client ids on the command line. */
import { InvalidArgumentError } from 'commander';
import { CLIENT_ID_BYTES } from '../../core/client-id.ts';

export const ID_DIGITS = 2 * CLIENT_ID_BYTES;

export function isId(text: string): boolean {
  return text.length === ID_DIGITS && /^[0-9a-f]+$/i.test(text);
}

export function parseId(text: string): string {
  if (isId(text)) return text.toLowerCase();
  throw new InvalidArgumentError(`It must be ${ID_DIGITS} hexadecimal digits.`);
}
