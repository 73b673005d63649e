/**
 * Random numbers that a seed decides: 32-bit splitmix streams. Each part of a world has a stream
 * of its own, so that leaving out one kind of fault does not change what the others do.
 */
const GOLDEN = 0x9e3779b9;

export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed | 0;
  }

  /** A stream of its own for what a name stands for. */
  fork(name: string): Random {
    let hash = this.seed | 0;
    for (let i = 0; i < name.length; i++) {
      hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
      hash ^= hash >>> 15;
    }
    return new Random(hash);
  }

  /** 32 random bits, from 0. */
  bits(): number {
    this.#state = (this.#state + GOLDEN) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** From 0 up to 1, 1 excluded. */
  unit(): number {
    return this.bits() / 2 ** 32;
  }

  /** A whole number from 0 up to `limit`, which is excluded. */
  below(limit: number): number {
    return Math.floor(this.unit() * limit);
  }

  /** A whole number from one limit to the other, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** A number whose order of magnitude is even between two limits. */
  scaled(least: number, most: number): number {
    return least * (most / least) ** this.unit();
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
}
