/**
 * Where a shard's log goes on, kept in its buffer's memory: a worker that takes over writes the
 * batch that was under way again at the same place. One number, so that it changes in one store.
 */
import { assert } from '../core/assert.ts';
import type { LogBuffer } from '../core/log-buffer.ts';
import type { LogTail } from './log.ts';

const TAIL = 0;
/** A segment is shorter than 4 GiB, and 2^21 of them are more than a disk holds. */
const OFFSETS = 2 ** 32;
const SEGMENTS = 2 ** 21;

export function noteTail(buffer: LogBuffer, tail: LogTail): void {
  buffer.note(TAIL, noteOf(tail));
}

/** The place as the number that is noted. */
export function noteOf(tail: LogTail): number {
  assert(tail.offset < OFFSETS && tail.segment < SEGMENTS, 'the place in a log fits a number');
  return tail.segment * OFFSETS + tail.offset;
}

export function notedTail(buffer: LogBuffer): LogTail {
  const noted = buffer.noted(TAIL);
  return { segment: Math.floor(noted / OFFSETS), offset: noted % OFFSETS };
}
