/**
 * The doorbell that wakes a sleeping thread when one of its rings was filled.
 *
 *     word 0 bell │ word 1 sleeping
 *
 * The sleeper samples the bell, says that it sleeps, looks at all its rings once more, and only
 * then waits for the bell to differ from the sample. A producer publishes first and looks at
 * `sleeping` second. Whichever comes first in the one order of Atomics, either the sleeper sees
 * the message or the producer sees the sleeper, so no wake-up is lost.
 */
const enum Word {
  BELL = 0,
  SLEEPING = 1,
}

const DOORBELL_BYTES = 128;

export function createDoorbell(): SharedArrayBuffer {
  return new SharedArrayBuffer(DOORBELL_BYTES);
}

export class Doorbell {
  readonly #words: Int32Array;
  #sample = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** For producers, after they have published. */
  ring(): void {
    const words = this.#words;
    if (Atomics.load(words, Word.SLEEPING) === 0) return;
    if (Atomics.compareExchange(words, Word.SLEEPING, 1, 0) === 1) this.wake();
  }

  /** Wakes the sleeper whether it says that it sleeps or not. */
  wake(): void {
    Atomics.add(this.#words, Word.BELL, 1);
    Atomics.notify(this.#words, Word.BELL);
  }

  /** For the sleeper: from here on producers ring. It must look at its rings before `sleep`. */
  prepare(): void {
    this.#sample = Atomics.load(this.#words, Word.BELL);
    Atomics.store(this.#words, Word.SLEEPING, 1);
  }

  /**
   * While the sleeper is awake and looks by itself, though its `sleep` goes on: nobody need ring,
   * which costs more than a batch. It calls this with false, and then looks once more, before it
   * relies on the bell again.
   */
  hush(isAwake: boolean): void {
    Atomics.store(this.#words, Word.SLEEPING, isAwake ? 0 : 1);
  }

  /** The sleeper found something after all, or has woken. */
  awake(): void {
    Atomics.store(this.#words, Word.SLEEPING, 0);
  }

  /**
   * Resolves when the bell rings or the time is over. The wait does not keep the event loop alive;
   * the caller's port or socket must.
   */
  async sleep(timeoutMs: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#words, Word.BELL, this.#sample, timeoutMs);
    if (wait.async) await wait.value;
    this.awake();
  }

  /** As `sleep`, but the thread does nothing else meanwhile, and allocates nothing. */
  block(timeoutMs: number): void {
    Atomics.wait(this.#words, Word.BELL, this.#sample, timeoutMs);
    this.awake();
  }
}
