/**
 * Asks for the status once a second for as long as the page is open, and says what became of it:
 * a status, a server that is gone, or one that wants a token.
 */
import { type Api, Refusal } from './api.ts';
import { hasRestarted } from './differences.ts';
import type { History, Status } from './status.ts';

const PERIOD_MS = 1_000;

/** Rates need two statuses, so the second one comes soon. */
const FIRST_PERIOD_MS = 250;

/** While the server is gone. */
export const RETRY_MS = 2_000;

/** After a pause of this length, as of a page in the background, the history fills the gap. */
const PAUSE_MS = 3_500;

export interface Watcher {
  onHistory(history: History): void;
  onStatus(status: Status): void;
  /** @param uptimeMs how long the earlier process had been up when it was last seen */
  onRestart(uptimeMs: number): void;
  onGone(sinceMs: number, reason: string): void;
  onLocked(refusal: Refusal): void;
}

export class Watch {
  readonly #api: Api;
  readonly #watcher: Watcher;
  #last: Status | undefined;
  #lastAnswerMs = Date.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAsking = false;

  constructor(api: Api, watcher: Watcher) {
    this.#api = api;
    this.#watcher = watcher;
  }

  /** Asks now, and from then on once a second. */
  async start(): Promise<void> {
    if (this.#isAsking) return;
    clearTimeout(this.#timer);
    this.#isAsking = true;
    const startedMs = Date.now();
    const nextMs = await this.#ask();
    this.#isAsking = false;
    if (nextMs === undefined) return;
    const waitMs = Math.max(0, startedMs + nextMs - Date.now());
    this.#timer = setTimeout(() => void this.start(), waitMs);
  }

  /** @returns after how long to ask again; undefined when only a token helps */
  async #ask(): Promise<number | undefined> {
    let status: Status;
    let history: History | undefined;
    let isNew: boolean;
    try {
      status = await this.#api.status();
      const isPaused = Date.now() - this.#lastAnswerMs > PAUSE_MS;
      isNew = this.#last === undefined || hasRestarted(this.#last, status);
      if (isNew || isPaused) history = await this.#api.history();
    } catch (error) {
      return this.#failed(error);
    }
    const last = this.#last;
    this.#last = status;
    this.#lastAnswerMs = Date.now();
    if (last !== undefined && hasRestarted(last, status)) this.#watcher.onRestart(last.uptime_ms);
    if (history !== undefined) this.#watcher.onHistory(history);
    this.#watcher.onStatus(status);
    return isNew ? FIRST_PERIOD_MS : PERIOD_MS;
  }

  #failed(error: unknown): number | undefined {
    if (error instanceof Refusal && error.isLocked) {
      this.#watcher.onLocked(error);
      return undefined;
    }
    const reason = error instanceof Error ? error.message : String(error);
    this.#watcher.onGone(this.#lastAnswerMs, reason);
    return RETRY_MS;
  }
}
