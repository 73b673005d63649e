/** Reads the small files that tokens, keys and certificates lie in. */
import { readFile } from 'node:fs/promises';
import { InvalidOptionError } from '../core/errors.ts';
import { FILE_BYTES_MAX } from './limits.ts';

/** Throws `InvalidOptionError` when the file cannot be read or is no such file at all. */
export async function readSecretFile(option: string, path: unknown): Promise<Buffer> {
  if (typeof path !== 'string' || path === '') {
    throw new InvalidOptionError(option, path, 'the path of a file');
  }
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw badFile(option, path, `a file that can be read: ${(error as Error).message}`);
  }
  if (bytes.byteLength > FILE_BYTES_MAX) {
    throw badFile(option, path, `a file of at most ${FILE_BYTES_MAX} bytes`);
  }
  return bytes;
}

/** What is wrong with a file that an option names. Never quotes what is in it. */
export function badFile(option: string, path: string, expected: string): InvalidOptionError {
  return new InvalidOptionError(option, path, expected);
}
