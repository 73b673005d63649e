/**
 * `Atomics.waitAsync` and `Atomics.notify` of a simulated world. A wake-up takes a while, and in a
 * world of long sleeps nothing but a wake-up ends one: there a lost one shows.
 */
import type { Random } from './random.ts';
import type { Scheduler, Task, Thread } from './scheduler.ts';

interface Sleeper {
  readonly words: Int32Array;
  readonly index: number;
  readonly thread: Thread;
  readonly resolve: (how: 'ok' | 'timed-out') => void;
  timeout: Task;
}

type Waited = { async: false; value: 'not-equal' } | { async: true; value: Promise<string> };

/** How long a wake-up takes at most. */
const WAKE_MS = 0.3;

export class Sleepers {
  wakeUps = 0;
  #sleepers: Sleeper[] = [];

  /** @param longestMs after which a sleep ends whatever timeout it was given, at least */
  constructor(
    readonly scheduler: Scheduler,
    readonly random: Random,
    readonly longestMs: number,
  ) {}

  wait(words: Int32Array, index: number, value: number, timeoutMs: number): Waited {
    if (Atomics.load(words, index) !== value) return { async: false, value: 'not-equal' };
    const promise = new Promise<string>((resolve) => {
      const { scheduler } = this;
      const timeout = scheduler.after(Math.max(timeoutMs, this.longestMs), () => {
        this.#remove(sleeper);
        resolve('timed-out');
      });
      const sleeper: Sleeper = { words, index, thread: scheduler.current, resolve, timeout };
      this.#sleepers.push(sleeper);
    });
    return { async: true, value: promise };
  }

  notify(words: Int32Array, index: number): number {
    const isMeant = (one: Sleeper): boolean =>
      one.words.buffer === words.buffer && one.index === index && !one.thread.isDead;
    const woken = this.#sleepers.filter(isMeant);
    for (const sleeper of woken) {
      this.#remove(sleeper);
      sleeper.timeout.isCancelled = true;
      this.wakeUps += 1;
      const delayMs = this.random.unit() * WAKE_MS;
      this.scheduler.after(delayMs, () => sleeper.resolve('ok'), sleeper.thread);
    }
    return woken.length;
  }

  #remove(sleeper: Sleeper): void {
    this.#sleepers = this.#sleepers.filter((one) => one !== sleeper && !one.thread.isDead);
  }
}
