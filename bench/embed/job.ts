/**
 * What threads are told and what they tell: plain objects that are posted.
 */
import type { MessagePort } from 'node:worker_threads';
import type { EngineTicket } from '../../dist/index.js';

export type Operation = 'echo' | 'put';

/** Which of an engine's shards the sessions of a thread lie on. */
export type Layout = 'apart' | 'together';

/** How a thread reaches its store. */
export type Way =
  | { readonly kind: 'view'; readonly ticket: EngineTicket }
  | { readonly kind: 'port'; readonly port: MessagePort }
  /** Asks by the port and sleeps on the bell until the answer is there. */
  | { readonly kind: 'waiting'; readonly port: MessagePort; readonly bell: SharedArrayBuffer };

export interface ThreadData {
  readonly module: string;
  readonly way: Way;
}

/** One window of load, on one of `threads` threads at once. */
export interface Job {
  readonly thread: number;
  readonly threads: number;
  readonly layout: Layout;
  readonly operation: Operation;
  readonly inFlight: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
  /** Whether each request is timed by itself, which slows the fast ones down. */
  readonly isTimed: boolean;
}

export interface Outcome {
  readonly requests: number;
  readonly seconds: number;
  /** An HDR histogram of nanoseconds, encoded, if each request was timed. */
  readonly histogram: string;
}

/** Sessions of each thread: few enough to stay in a core's cache with their data. */
export const SESSIONS_PER_THREAD = 1_000;

/** What each request carries, 64 characters: the whole body of an echo, the one value of a put. */
const TEXT = 'x'.repeat(64);

export function bodyOf(operation: Operation): unknown {
  return operation === 'put' ? { value: TEXT } : TEXT;
}

/** The id of a thread's session: no two threads have one in common, and no two sets of theirs. */
export function sessionId(thread: number, number: number, set = 0): Uint8Array {
  const id = new Uint8Array(16);
  const view = new DataView(id.buffer);
  view.setUint32(0, thread + 1);
  view.setUint32(4, number);
  view.setUint32(8, set);
  return id;
}
