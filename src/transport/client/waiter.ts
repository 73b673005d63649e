/**
 * A promise with a time limit and an abort signal. When either strikes, its owner is told and
 * decides what to reject it with, because only the owner knows whether the outcome is known.
 * While it is pending its timer keeps the process alive; afterwards nothing of it remains.
 */
export class Waiter<T> {
  readonly promise: Promise<T>;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #signal: AbortSignal | undefined;
  #abort: (() => void) | undefined;

  /**
   * @param expired called at most once: with 'timeout', or with 'abort' when the signal aborted
   */
  constructor(
    readonly timeoutMs: number,
    signal: AbortSignal | undefined,
    expired: (cause: 'timeout' | 'abort') => void,
  ) {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = setTimeout(() => expired('timeout'), timeoutMs);
    if (signal === undefined) return;
    this.#signal = signal;
    this.#abort = () => expired('abort');
    signal.addEventListener('abort', this.#abort, { once: true });
  }

  /** What the signal was aborted with. */
  get abortReason(): unknown {
    return this.#signal?.reason;
  }

  resolve(value: T): void {
    this.#stop();
    this.#resolve(value);
  }

  reject(reason: unknown): void {
    this.#stop();
    this.#reject(reason);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    if (this.#abort !== undefined) this.#signal?.removeEventListener('abort', this.#abort);
    this.#timer = undefined;
    this.#abort = undefined;
  }
}
