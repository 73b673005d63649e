/**
 * What sessions take, by what was reserved for them and by what the system says.
 */
import { Arena } from '../../dist/core/arena.js';

export interface SessionBytes {
  /** Of all arenas, for each session. */
  readonly reserved: number;
  /** Of that, room for the session's data and reply. */
  readonly payload: number;
  /** What the process grew by, for each session. */
  readonly resident: number;
}

export function sessionBytes(
  arenas: readonly SharedArrayBuffer[],
  sessions: number,
  residentBytes: number,
): SessionBytes {
  const reserved = arenas.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return {
    reserved: reserved / sessions,
    payload: new Arena(arenas[0]).regions.payloadWords * 4,
    resident: residentBytes / sessions,
  };
}

/** Bytes that a run needs free: what it reserves, its own notes, and as much again to be calm. */
export function bytesNeeded(sessions: number): number {
  const sessionBytesAtMost = 256;
  return sessions * (sessionBytesAtMost + NOTES_BYTES) * 1.25;
}

/** What a run notes of each session itself: its number and its last request. */
export const NOTES_BYTES = 12;
