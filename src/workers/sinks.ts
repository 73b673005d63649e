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
  readonly #free: number[] = [];

  /** A token for a sink, never 0; or 0 when all are in use. */
  open(sink: AnswerSink): number {
    let index = this.#free.pop();
    if (index === undefined) {
      if (this.#sinks.length === SINKS_MAX) return 0;
      index = this.#sinks.length;
      this.#sinks.push(undefined);
      this.#tokens.push(index);
    }
    const generation = ((this.#tokens[index] >>> INDEX_BITS) + 1) % GENERATIONS;
    // Generation 0 is left out, so that no token is 0.
    const token = ((generation === 0 ? 1 : generation) << INDEX_BITS) | index;
    this.#tokens[index] = token;
    this.#sinks[index] = sink;
    return token;
  }

  close(token: number): void {
    const index = token & INDEX_MASK;
    assert(this.#tokens[index] === token, 'an open token is closed once');
    this.#sinks[index] = undefined;
    this.#free.push(index);
  }

  deliver(a: Answer): void {
    const index = a.token & INDEX_MASK;
    if (index >= this.#sinks.length || this.#tokens[index] !== a.token) return;
    this.#sinks[index]?.answer(a);
  }
}
