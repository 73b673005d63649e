/**
 * Waiting times that double from `minMs` to `maxMs` with a random part, so that clients cut off
 * together do not come back together.
 */
export class Backoff {
  constructor(
    readonly minMs: number,
    readonly maxMs: number,
    readonly random: () => number,
  ) {}

  /** The wait in ms before try number `attempt`, counted from 0; never outside the two limits. */
  delayMs(attempt: number): number {
    // The exponent stops at 31: by then every permitted maximum is reached.
    const ceiling = Math.min(this.maxMs, this.minMs * 2 ** Math.min(attempt + 1, 31));
    return Math.round(this.minMs + this.random() * (ceiling - this.minMs));
  }
}
