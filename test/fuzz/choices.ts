/**
 * Choices that an input makes for a target: each is read from its next bytes, and once they are
 * used up every choice is the first one. A shorter input thus makes a simpler case.
 */
export class Choices {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isOver(): boolean {
    return this.#at >= this.#bytes.byteLength;
  }

  byte(): number {
    const byte = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    return byte;
  }

  /** From 0 to below `limit`, which is at most 2^24. */
  below(limit: number): number {
    let value = this.byte();
    if (limit > 0x100) value = (value << 8) | this.byte();
    if (limit > 0x10000) value = (value << 8) | this.byte();
    return value % limit;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.byte());
  }
}
