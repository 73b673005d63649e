/** Reads the first frame of a connection. */
import { TOKEN_BYTES_MAX } from '../security/limits.ts';
import type { Cursor } from './cursor.ts';
import { HELLO_FRAME_BYTES_MAX, OPTIONS_MAX } from './limits.ts';
import { readText } from './register-reader.ts';

export interface Hello {
  readonly version: number;
  /** Undefined when there was none, or when nobody wants to know. */
  readonly token: string | undefined;
}

/**
 * `[0, version, options]`, the kind consumed. What is wrong with it is left in the cursor, unless
 * the version says that the rest is none of our business.
 */
export function readHello(c: Cursor, fields: number, known: number, readsToken: boolean): Hello {
  if (fields !== 3) c.fail('hello has 3 fields');
  const version = c.uint32();
  let token: string | undefined;
  if (c.problem === '' && version !== known) return { version, token };
  const options = c.mapLength();
  if (options > OPTIONS_MAX) c.fail('hello has at most 16 options');
  for (let i = 0; i < options && c.problem === ''; i++) {
    const name = readText(c);
    if (!readsToken || name !== 'token') c.skip();
    else if (!c.nil()) token = readText(c, TOKEN_BYTES_MAX);
  }
  if (c.problem === '' && c.at !== c.end) c.fail('hello ends with a map');
  return { version, token };
}

/** How long a frame may be until hello is accepted, where frames may be so long later on. */
export function firstFrameBytesMax(frameBytesMax: number): number {
  return Math.min(frameBytesMax, HELLO_FRAME_BYTES_MAX);
}

/** A record of a handshake of TLS; a hello of that length goes on with an array. */
export function looksLikeTls(bytes: Uint8Array, length: number): boolean {
  return length >= 2 && bytes[0] === 0x16 && bytes[1] === 0x03;
}
