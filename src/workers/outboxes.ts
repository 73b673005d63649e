/**
 * The answer rings of one shard, one to each front end, as the outbox of whoever owns the shard.
 *
 * Before a message runs there must be room for every answer that it may cause, and for those of
 * the promises still pending; otherwise it stays in its ring. Front ends always read their
 * answers, so the two rings of a lane cannot wait for each other.
 */
import { assert } from '../core/assert.ts';
import type { Message } from '../core/message.ts';
import type { SessionLog } from '../core/session-log.ts';
import { Answer, AnswerKind, type Outbox } from './answer.ts';
import type { Ran } from './dispatch.ts';
import { Doorbell } from './doorbell.ts';
import { answerRecordWords, pushAnswer } from './records.ts';
import { Ring } from './ring.ts';
import type { ShardMemory } from './shard-memory.ts';

/** The answer itself, and one session that its message ended (expired or evicted). */
const ANSWERS_PER_MESSAGE = 2;

/** Its answer, and the end of its session if the connection of that has gone meanwhile. */
const ANSWERS_PER_PROMISE = 2;

export class Outboxes implements Outbox {
  readonly #rings: Ring[] = [];
  readonly #doorbells: Doorbell[] = [];
  readonly #published: boolean[] = [];
  readonly #recordWords: number;
  readonly #outcome = new Answer();

  /**
   * @param log the table's, if it has one, which needs room too
   * @param own a front end whose answers do not go through its ring; −1 = none
   * @param awake a front end that need not be woken, because it is the one that runs; −1 = none
   */
  constructor(
    memory: ShardMemory,
    shard: number,
    readonly log?: SessionLog,
    readonly own = -1,
    readonly awake = own,
  ) {
    for (const lane of memory.lanes) {
      this.#rings.push(new Ring(lane.answers[shard]));
      this.#doorbells.push(new Doorbell(lane.doorbell));
      this.#published.push(false);
    }
    this.#recordWords = answerRecordWords(memory.config.replyBytesMax);
  }

  /** Whether one more message may run while `owed` promises still owe an answer. */
  hasRoom(owed: number): boolean {
    if (this.log !== undefined && !this.log.hasRoom()) return false;
    const count = ANSWERS_PER_MESSAGE + owed * ANSWERS_PER_PROMISE;
    for (let i = 0; i < this.#rings.length; i++) {
      if (i !== this.own && !this.#rings[i].hasRoom(this.#recordWords, count)) return false;
    }
    return true;
  }

  emit(answer: Answer): void {
    if (answer.frontEnd >= this.#rings.length) return;
    const pushed = pushAnswer(this.#rings[answer.frontEnd], answer);
    assert(pushed, 'room for an answer was made sure of before its message ran');
  }

  /** Tells a router what its register or eviction came to. */
  emitOutcome(m: Message, outcome: Ran): void {
    const a = this.#outcome;
    a.kind = AnswerKind.ROUTER;
    a.of = m.kind;
    a.frontEnd = m.frontEnd;
    a.token = 0;
    a.request = m.request;
    a.code = outcome;
    if (this.log !== undefined) a.position = this.log.buffer.durablePosition;
    this.emit(a);
  }

  /**
   * Makes the answers, and what was logged, visible. Before the owner word is released; true if
   * there were answers.
   *
   * @param publishesLog false when the caller does it later
   */
  publish(publishesLog = true): boolean {
    if (publishesLog) this.log?.buffer.publish();
    let any = false;
    for (let i = 0; i < this.#rings.length; i++) {
      this.#published[i] = this.#rings[i].publish();
      any ||= this.#published[i];
    }
    return any;
  }

  /** Wakes the front ends whose answers were published. */
  ring(): void {
    for (let i = 0; i < this.#rings.length; i++) {
      if (this.#published[i] && i !== this.awake) this.#doorbells[i].ring();
    }
  }

  /** Wakes all front ends: what answers were waiting for is durable. */
  ringAll(): void {
    for (let i = 0; i < this.#doorbells.length; i++) this.#doorbells[i].ring();
  }
}
