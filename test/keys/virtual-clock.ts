/** Time that only moves when a test says so. */
import type { KeyClock } from '../../src/keys/clock.ts';

interface Alarm {
  dueMs: number;
  /** Zero for an alarm that rings once. */
  readonly everyMs: number;
  readonly ring: () => void;
}

export class VirtualClock implements KeyClock {
  readonly #alarms = new Set<Alarm>();
  #nowMs = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const alarm: Alarm = { dueMs: this.#nowMs + ms, everyMs: 0, ring: resolve };
      this.#alarms.add(alarm);
      const abort = () => {
        this.#alarms.delete(alarm);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  every(ms: number, ring: () => void): () => void {
    const alarm: Alarm = { dueMs: this.#nowMs + ms, everyMs: ms, ring };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** What would still ring. */
  get alarms(): number {
    return this.#alarms.size;
  }

  /** Moves time on, and lets everything happen that happens meanwhile. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await quiet();
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#nowMs = next.dueMs;
      if (next.everyMs > 0) next.dueMs += next.everyMs;
      else this.#alarms.delete(next);
      next.ring();
      await quiet();
    }
    this.#nowMs = endMs;
    await quiet();
  }

  #next(endMs: number): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.dueMs <= endMs && (next === undefined || alarm.dueMs < next.dueMs)) next = alarm;
    }
    return next;
  }
}

/** Lets every promise go on as far as it can without time. */
export function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
