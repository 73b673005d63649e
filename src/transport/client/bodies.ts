/** Bodies that the server sends. */
import { decodeValue } from '../../services/values.ts';
import { ProtocolError } from './errors.ts';

/** Decodes a body. Throws `ProtocolError` when an extension in it is not known here. */
export function decodeBody(bytes: Uint8Array): unknown {
  try {
    return decodeValue(bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ProtocolError(`a body cannot be decoded: ${why}`);
  }
}
