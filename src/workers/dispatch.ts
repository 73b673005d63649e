/**
 * The words between router, register flow and executor: what became of a message.
 */
import type { ErrorCode } from '../core/codes.ts';
import type { Ledger } from '../core/ledger.ts';
import type { Message } from '../core/message.ts';
import type { ShardPort } from './shard-port.ts';

/** What became of a message that ran, beyond the answer that was given. */
export const enum Ran {
  /** Answered, or nothing to say now. */
  DONE = 0,
  /** A register found the global limit reached: the router must make room and try again. */
  NO_ROOM = 1,
  EVICTED = 2,
  NOT_OLDEST = 3,
  NOTHING_TO_EVICT = 4,
  /** Only an expired session was to end, and the oldest has not expired. */
  NOT_EXPIRED = 5,
}

/** What became of a message that did not run now. */
export const enum Dispatched {
  /** In the ring of its shard, whose worker will run it. */
  QUEUED = -1,
  /** Neither the shard nor its ring has room now; nothing happened. */
  BLOCKED = -2,
}

export const enum Submitted {
  /** Answered, or on its way. */
  TAKEN = 0,
  /** There is no room now; nothing happened. Submit it again after progress was made. */
  BLOCKED = 1,
}

/** What a register flow needs of its router. */
export interface Dispatcher {
  readonly ledger: Ledger;
  readonly clock: { readonly cell: Float64Array };
  readonly ports: readonly ShardPort[];
  portOf(m: Message): ShardPort;
  /** Runs a message on this thread: a `Ran`, or `BLOCKED` if it cannot now. */
  dispatchDirect(m: Message, port: ShardPort): number;
  /** Runs a message, or puts it into the ring: a `Ran` or a `Dispatched`. */
  dispatch(m: Message, port: ShardPort): number;
  refuse(m: Message, port: ShardPort, code: ErrorCode): void;
}
