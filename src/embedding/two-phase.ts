/**
 * Two-phase requests of an embedding caller: `begin`, work anywhere, then `commit` or `abort`. Any
 * view of the same engine may finish what another began.
 */
import { checksumMessage } from '../core/checksum.ts';
import {
  ERROR_NAMES,
  type ErrorName,
  REASON_NAMES,
  type ReasonName,
  STATUS_NAMES,
  type StatusName,
  Verdict,
} from '../core/codes.ts';
import { SessileError } from '../core/errors.ts';
import { Row, RowByte } from '../core/layout.ts';
import type { Message } from '../core/message.ts';
import { Answer } from '../workers/answer.ts';
import type { Clock } from '../workers/clock.ts';
import { decodeReply, encodeWithin } from './encoding.ts';
import type { Reply } from './types.ts';
import type { ViewShard } from './view-shard.ts';

/** What `begin` found. Only `execute` is to be committed or aborted, and only once. */
export type Begun =
  | { readonly verdict: 'execute'; readonly ticket: Ticket }
  | { readonly verdict: 'replay'; readonly reply: Reply }
  /** It is executing: somebody else began it, or this caller did. */
  | { readonly verdict: 'in_flight' }
  | { readonly verdict: 'evicted'; readonly reason: ReasonName }
  | { readonly verdict: 'refused'; readonly error: ErrorName };

/** Which execution this is: a slot and its generation, and who holds it. */
export interface Ticket {
  readonly shard: ViewShard;
  readonly slot: number;
  readonly generation: number;
  readonly request: number;
}

export class TwoPhase {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(shard: ViewShard, m: Message): Begun {
    shard.acquire();
    try {
      return this.#begin(shard, m);
    } finally {
      shard.release();
    }
  }

  #begin(shard: ViewShard, m: Message): Begun {
    const { table } = shard;
    checksumMessage(m);
    const verdict = table.begin(m);
    const { slot } = table;
    if (verdict === Verdict.EXECUTE) {
      const generation = table.pool.generationOf(slot);
      return { verdict: 'execute', ticket: { shard, slot, generation, request: m.request } };
    }
    if (verdict === Verdict.REPLAY) return { verdict: 'replay', reply: storedReply(shard, slot) };
    if (verdict === Verdict.JOINED) return { verdict: 'in_flight' };
    if (verdict === Verdict.EVICTION) {
      return { verdict: 'evicted', reason: REASON_NAMES[table.reason] };
    }
    return { verdict: 'refused', error: ERROR_NAMES[table.errorCode] };
  }

  commit(begun: Begun, reply: unknown, status: StatusName): void {
    const { shard, slot } = ticketOf(begun);
    const { table } = shard;
    const { bytes, regions, replyBytesMax } = table.arena;
    const encoded = encodeWithin('reply', reply, replyBytesMax);
    this.#finish(begun, () => {
      bytes.set(encoded, regions.stagedReply * 4);
      table.commit(slot, STATUS_NAMES.indexOf(status), encoded.byteLength, -1);
    });
  }

  abort(begun: Begun): void {
    const { shard, slot } = ticketOf(begun);
    this.#finish(begun, () => shard.table.abort(slot));
  }

  /** Runs the second half, if the execution is still the one that was begun. */
  #finish(begun: Begun, step: () => void): void {
    const { shard, slot, generation, request } = ticketOf(begun);
    const { table } = shard;
    const { words } = table.arena;
    this.#clock.read();
    shard.acquire();
    try {
      const row = table.rowOf(slot);
      const isSame =
        table.pool.generationOf(slot) === generation &&
        table.isExecuting(slot) &&
        words[row + Row.REQUEST] === ((request - 1) | 0);
      if (!isSame) {
        throw new SessileError('not_begun', 'this request was committed or aborted already');
      }
      step();
    } finally {
      shard.release();
    }
  }
}

function ticketOf(begun: Begun): Ticket {
  if (begun.verdict === 'execute') return begun.ticket;
  throw new SessileError('not_begun', `there is nothing to finish: begin said ${begun.verdict}`);
}

function storedReply(shard: ViewShard, slot: number): Reply {
  const { arena } = shard.table;
  const row = shard.table.rowOf(slot);
  const a = new Answer();
  a.code = (arena.words[row + Row.FLAGS] >>> RowByte.STATUS) & RowByte.MASK;
  a.again = true;
  a.bodyBytes = arena.bytes;
  a.bodyWord = arena.replyAt(slot);
  a.bodyLength = arena.words[row + Row.REPLY_LENGTH];
  return decodeReply(a);
}
