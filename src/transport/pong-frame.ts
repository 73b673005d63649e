/** A ping's nonce is any value, sent back as it is. */
import type { Cursor } from './cursor.ts';
import type { FrameWriter } from './frame-writer.ts';
import { ToClient } from './protocol.ts';

/** `[4, nonce]`, the kind consumed: where the nonce begins. What is wrong is left in the cursor. */
export function readPing(c: Cursor, fields: number): number {
  if (fields !== 2) c.fail('ping has 2 fields');
  const start = c.at;
  c.skip();
  if (c.problem === '' && c.at !== c.end) c.fail('ping has one nonce');
  return start;
}

/** The answer to the ping at hand; there must be room for it. */
export function writePong(w: FrameWriter, c: Cursor, start: number): void {
  w.begin(ToClient.PONG, 2);
  w.raw(c.bytes, start, c.end - start);
  w.finish();
}
