/** How long one caller still waits for another, and how often it looks. */
import type { KeyClock } from './clock.ts';
import { type IdempotencyKey, KeyInProgressError } from './errors.ts';

const POLL_MS_MIN = 5;
const POLL_MS_MAX = 100;

export class Patience {
  readonly #startMs: number;
  #pauseMs = POLL_MS_MIN;

  constructor(
    readonly clock: KeyClock,
    readonly waitMs: number,
    readonly key: IdempotencyKey,
  ) {
    this.#startMs = clock.nowMs();
  }

  get isOver(): boolean {
    return this.#waitedMs() >= this.waitMs;
  }

  /** Throws `KeyInProgressError` once the time is over. */
  check(): void {
    if (this.isOver) throw new KeyInProgressError(this.key, Math.round(this.#waitedMs()));
  }

  /** Waits until it is worth looking again, each time a bit longer. */
  async pause(signal: AbortSignal | undefined): Promise<void> {
    this.check();
    const leftMs = Math.max(1, Math.ceil(this.waitMs - this.#waitedMs()));
    await this.clock.sleep(Math.min(this.#pauseMs, leftMs), signal);
    this.#pauseMs = Math.min(POLL_MS_MAX, this.#pauseMs * 2);
  }

  #waitedMs(): number {
    return this.clock.nowMs() - this.#startMs;
  }
}
