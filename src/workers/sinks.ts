/**
 * The addresses of one front end: a token for each connection or embedded caller that answers can
 * go to. A token holds the index of its sink and a generation, so that an answer for a connection
 * that has gone never reaches the next one in its place.
 */
import { assert } from '../core/assert.ts';
import type { Answer } from './answer.ts';
import { SINKS_MAX } from './limits.ts';

export interface AnswerSink {
  answer(answer: Answer): void;
}

const INDEX_BITS = 16;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
const GENERATIONS = 1 << 15;

export class Sinks {
  readonly #sinks: (AnswerSink | undefined)[] = [];
  readonly #tokens: number[] = [];
  /** Closed indices, oldest first, around a circle. */
  readonly #free = new Uint16Array(SINKS_MAX);
  #freeHead = 0;
  #freeCount = 0;

  /** A token for a sink, never 0; or 0 when all are in use. */
  open(sink: AnswerSink): number {
    const index = this.#take();
    if (index < 0) return 0;
    const generation = ((this.#tokens[index] >>> INDEX_BITS) + 1) % GENERATIONS;
    // Generation 0 is left out, so that no token is 0.
    const token = ((generation === 0 ? 1 : generation) << INDEX_BITS) | index;
    this.#tokens[index] = token;
    this.#sinks[index] = sink;
    return token;
  }

  /**
   * New indices first and then the one that has been free for longest, so that a token comes again
   * as late as can be: after 2^31 connections.
   */
  #take(): number {
    if (this.#sinks.length < SINKS_MAX) {
      this.#sinks.push(undefined);
      this.#tokens.push(this.#sinks.length - 1);
      return this.#sinks.length - 1;
    }
    if (this.#freeCount === 0) return -1;
    const index = this.#free[this.#freeHead];
    this.#freeHead = (this.#freeHead + 1) & INDEX_MASK;
    this.#freeCount -= 1;
    return index;
  }

  close(token: number): void {
    const index = token & INDEX_MASK;
    const isOpen = this.#tokens[index] === token && this.#sinks[index] !== undefined;
    assert(isOpen, 'an open token is closed once');
    this.#sinks[index] = undefined;
    this.#free[(this.#freeHead + this.#freeCount) & INDEX_MASK] = index;
    this.#freeCount += 1;
  }

  /** False when the address is closed. */
  deliver(a: Answer): boolean {
    const index = a.token & INDEX_MASK;
    if (index >= this.#sinks.length || this.#tokens[index] !== a.token) return false;
    const sink = this.#sinks[index];
    if (sink === undefined) return false;
    sink.answer(a);
    return true;
  }
}
