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
import { InvalidOptionError, SessileError } from '../core/errors.ts';
import { Row, RowByte } from '../core/layout.ts';
import type { Message } from '../core/message.ts';
import { Answer } from '../workers/answer.ts';
import type { Clock } from '../workers/clock.ts';
import { messageOf } from '../workers/slot-message.ts';
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

/** Which execution this is. */
export interface Ticket {
  readonly shard: number;
  readonly slot: number;
  /** The number of the execution, which no other one has. */
  readonly pin: number;
}

export class TwoPhase {
  readonly #clock: Clock;
  readonly #shards: readonly ViewShard[];

  constructor(clock: Clock, shards: readonly ViewShard[]) {
    this.#clock = clock;
    this.#shards = shards;
  }

  begin(index: number, m: Message): Begun {
    const shard = this.#shards[index];
    shard.acquire();
    let isPinned = false;
    try {
      const begun = this.#begin(shard, index, m);
      isPinned = begun.verdict === 'execute';
      return begun;
    } finally {
      // Who waits may fail, and would leave a session pinned that nobody has the ticket of.
      shard.release(!isPinned);
    }
  }

  #begin(shard: ViewShard, index: number, m: Message): Begun {
    const { table } = shard;
    checksumMessage(m);
    // The caller does the work itself: what the operations of the service cost is not asked.
    m.cost = 1;
    const verdict = table.begin(m);
    shard.tellEnded();
    const { slot } = table;
    if (verdict === Verdict.EXECUTE) {
      table.pay(slot, m);
      const pin = table.arena.words[table.rowOf(slot) + Row.PIN];
      return { verdict: 'execute', ticket: { shard: index, slot, pin } };
    }
    if (verdict === Verdict.REPLAY) shard.mustKeep(slot);
    if (verdict === Verdict.REPLAY) return { verdict: 'replay', reply: storedReply(shard, slot) };
    if (verdict === Verdict.JOINED) return { verdict: 'in_flight' };
    if (verdict === Verdict.EVICTION) {
      return { verdict: 'evicted', reason: REASON_NAMES[table.reason] };
    }
    return { verdict: 'refused', error: ERROR_NAMES[table.errorCode] };
  }

  commit(begun: Begun, reply: unknown, status: StatusName): void {
    const { shard, slot } = this.#open(begun);
    const { table } = shard;
    const { bytes, regions, replyBytesMax } = table.arena;
    const number = STATUS_NAMES.indexOf(status);
    if (number < 0) throw new InvalidOptionError('status', status, STATUS_NAMES.join(', '));
    const encoded = encodeWithin('reply', reply, replyBytesMax);
    this.#finish(begun, () => {
      bytes.set(encoded, regions.stagedReply * 4);
      const asked = messageOf(table, slot, 1);
      table.commit(slot, number, encoded.byteLength, -1);
      shard.mustKeep(slot);
      if (asked.token !== 0) shard.answerRoute(slot, asked);
      shard.reap(slot);
    });
  }

  abort(begun: Begun): void {
    const { shard, slot } = this.#open(begun);
    this.#finish(begun, () => {
      const asked = messageOf(shard.table, slot, 1);
      shard.table.abort(slot);
      if (asked.token !== 0) shard.refuseRoute(asked);
      shard.reap(slot);
    });
  }

  #open(begun: Begun): { shard: ViewShard; slot: number; pin: number } {
    const { shard, slot, pin } = ticketOf(begun);
    return { shard: this.#shards[shard], slot, pin };
  }

  /** Runs the second half, if the execution is still the one that was begun. */
  #finish(begun: Begun, step: () => void): void {
    const { shard, slot, pin } = this.#open(begun);
    const { table } = shard;
    this.#clock.read();
    shard.acquire();
    try {
      const isSame =
        table.isExecuting(slot) && table.arena.words[table.rowOf(slot) + Row.PIN] === pin;
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
