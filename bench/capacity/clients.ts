/**
 * The clients of very many sessions, on one view: what each knows lies in typed arrays, which are
 * there before memory is looked at.
 */
import type { EngineView } from '../../dist/index.js';
import { drawOrder } from '../table/keys.ts';

export class Clients {
  readonly #view: EngineView;
  readonly #sessions: Float64Array;
  readonly #requests: Uint32Array;
  readonly #id = new Int32Array(4);
  readonly #idBytes = new Uint8Array(this.#id.buffer);
  readonly #draws: Int32Array;
  #drawn = 0;
  /** Ids that nobody has used yet begin here. */
  #fresh: number;

  constructor(
    view: EngineView,
    readonly count: number,
    draws: number,
  ) {
    this.#view = view;
    // Filled, so that their pages are there.
    this.#sessions = new Float64Array(count).fill(-1);
    this.#requests = new Uint32Array(count).fill(1).fill(0);
    this.#draws = drawOrder(draws, count);
    this.#fresh = count;
  }

  /** Registers all of them, from the first on. */
  fill(): void {
    for (let i = 0; i < this.count; i++) {
      this.#sessions[i] = this.#view.register(this.#idOf(i)).session;
    }
  }

  /** Finds sessions drawn at random, and makes each the newest. */
  touch(operations: number): void {
    for (let i = 0; i < operations; i++) this.#view.call(this.#idOf(this.#draw()), 'touch');
  }

  /** A request of sessions drawn at random, whose small reply is stored. */
  request(operations: number): void {
    for (let i = 0; i < operations; i++) {
      const at = this.#draw();
      this.#requests[at] += 1;
      const { status } = this.#view.request(
        this.#idOf(at),
        this.#sessions[at],
        this.#requests[at],
        'echo',
        i & 0x7f,
      );
      if (status !== 'ok') throw new Error(`a request was answered ${status}`);
    }
  }

  /** Registers clients that nobody knows, each of which evicts the oldest session. */
  churn(operations: number): void {
    for (let i = 0; i < operations; i++) {
      if (this.#view.register(this.#idOf(this.#fresh)).resumed) throw new Error('an id is used');
      this.#fresh += 1;
    }
  }

  #draw(): number {
    this.#drawn = this.#drawn + 1 < this.#draws.length ? this.#drawn + 1 : 0;
    return this.#draws[this.#drawn];
  }

  #idOf(number: number): Uint8Array {
    this.#id[0] = number;
    this.#id[1] = Math.imul(number, 0x9e3779b1);
    this.#id[2] = 1;
    return this.#idBytes;
  }
}
