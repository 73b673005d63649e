/**
 * One protocol as the load generator sees it. All are held to the same work per request: three
 * words patched into a pre-built frame, and a scan that checks each reply.
 */
import type { Wire } from './wire.ts';

/** The lanes of one connection: each has exactly one request in flight. */
export interface Lanes {
  /** Whatever the server must know before the load begins. */
  prepare(wire: Wire): Promise<void>;
  /** A buffer of `frames` requests, one after the other, ready to be patched. */
  skeleton(frames: number): Buffer;
  readonly frameBytes: number;
  /** Makes the frame at a byte offset the next request of a lane. */
  patch(at: number, lane: number): void;
  /**
   * Reads the reply at a byte offset: returns its end, and leaves its lane in `lane`; −1 when it
   * has not arrived whole. Throws on anything but a reply.
   */
  scan(view: DataView, at: number, end: number): number;
  lane: number;
}

/** Longest reply of any protocol to these requests, with room to spare. */
export const REPLY_BYTES_MAX = 1024;

/** The beginning of an answer that was not expected, for an error. */
export function textAt(view: DataView, at: number, end: number): string {
  const length = Math.min(end - at, 80);
  return JSON.stringify(Buffer.from(view.buffer, view.byteOffset + at, length).toString());
}
