/** A seeded generator (mulberry32): a run with the same seed makes the same choices. */
export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  /** A generator of its own, so that who draws when changes nothing for others. */
  fork(): Random {
    return new Random(this.below(2 ** 32 - 1));
  }

  /** A client id as 32 hexadecimal digits. */
  id(): string {
    const word = (): string =>
      this.below(2 ** 32 - 1)
        .toString(16)
        .padStart(8, '0');
    return `a${word().slice(1)}${word()}${word()}${word()}`;
  }
}
