/**
 * Client ids outside the hot path: 16 random bytes, or 32 hexadecimal digits as text.
 */
import { InvalidOptionError } from './errors.ts';

/** A client id in either of its forms. Never all zero. */
export type ClientId = Uint8Array | string;

export const CLIENT_ID_BYTES = 16;

const HEX = /^[0-9a-f]{32}$/i;

/** The bytes of a client id. Throws `InvalidOptionError` if it is none. */
export function clientIdBytes(id: ClientId): Uint8Array {
  let bytes: Uint8Array | undefined;
  if (typeof id === 'string') {
    if (HEX.test(id)) bytes = bytesOf(id);
  } else if (id instanceof Uint8Array && id.byteLength === CLIENT_ID_BYTES) {
    bytes = id;
  }
  if (bytes === undefined || isZero(bytes)) {
    throw new InvalidOptionError('id', id, '16 bytes or 32 hexadecimal digits, not all zero');
  }
  return bytes;
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < CLIENT_ID_BYTES; i++) if (bytes[i] !== 0) return false;
  return true;
}

function bytesOf(digits: string): Uint8Array {
  const bytes = new Uint8Array(CLIENT_ID_BYTES);
  for (let i = 0; i < CLIENT_ID_BYTES; i++) {
    bytes[i] = (digitOf(digits.charCodeAt(i * 2)) << 4) | digitOf(digits.charCodeAt(i * 2 + 1));
  }
  return bytes;
}

/** The value of a hexadecimal digit: a letter's code has its low bits from 1, and bit 6 set. */
function digitOf(code: number): number {
  return (code & 0x0f) + (code >> 6) * 9;
}

/** Where four words become bytes, and these a text: four times as fast as word by word. */
const scratch = Buffer.alloc(CLIENT_ID_BYTES);
const scratchWords = new Int32Array(scratch.buffer, scratch.byteOffset, CLIENT_ID_BYTES / 4);

/** The 32 lowercase digits of four id words, whose bytes lie little-endian in memory. */
export function clientIdText(id0: number, id1: number, id2: number, id3: number): string {
  scratchWords[0] = id0;
  scratchWords[1] = id1;
  scratchWords[2] = id2;
  scratchWords[3] = id3;
  return scratch.toString('hex');
}
