/** Bodies that the server sends. */
import { decodeInChunk } from '../../services/values.ts';
import { ProtocolError } from './errors.ts';

/** Where a body lies among the bytes that have come. It holds during one call of a handler. */
export class Body {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;

  /** Throws `ProtocolError` when an extension in it is not known here. */
  decode(): unknown {
    try {
      return decodeInChunk(this.bytes, this.start, this.end - this.start);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new ProtocolError(`a body cannot be decoded: ${why}`);
    }
  }
}
