/**
 * What an engine tells its operator, apart from what it does: bursts become one line, and a look at
 * the shared memory every half second finds what no thread would tell.
 */

import { SessileError } from '../core/errors.ts';
import { type EventLog, NO_LOG } from '../core/event-log.ts';
import { failureText } from '../services/context.ts';
import { Clock } from '../workers/clock.ts';
import type { ShardMemory } from '../workers/shard-memory.ts';
import { EngineWatch, WATCH_MS } from './engine-watch.ts';
import { EventBursts } from './event-bursts.ts';
import type { Recovery } from './journaling.ts';

/** Texts of errors are told up to this length, as in replies. */
const TEXT_CHARACTERS_MAX = 200;

export class EngineEvents {
  /** Undefined when nobody asked for events: then nothing is watched either. */
  readonly #bursts: EventBursts | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(target: EventLog | undefined) {
    if (target !== undefined) this.#bursts = new EventBursts(target, () => performance.now());
  }

  get log(): EventLog {
    return this.#bursts ?? NO_LOG;
  }

  watch(memory: ShardMemory): void {
    const bursts = this.#bursts;
    if (bursts === undefined) return;
    const watch = new EngineWatch(memory, bursts);
    const clock = new Clock();
    const look = (): void => {
      clock.read();
      watch.look(clock.cell[0]);
      bursts.flush();
    };
    this.#timer = setInterval(look, WATCH_MS).unref();
  }

  /** A hook of the service threw, here or in a worker. */
  hookFailed(error: unknown, count = 1): void {
    const message = textOf(error);
    if (this.#bursts === undefined) process.emitWarning(message);
    else this.#bursts.warn('hook_failed', count === 1 ? { message } : { message, count });
  }

  /** A worker died, and another took over. */
  replaced(shard: number, error: unknown): void {
    this.log.warn('worker_replaced', { shard, message: textOf(error) });
  }

  recovered({ folder, sessions, bytes, durationMs, ...rest }: Recovery): void {
    this.log.info('recovered', {
      folder,
      sessions,
      bytes,
      duration_ms: Math.round(durationMs),
      evicted: rest.evicted,
      disconnected: rest.disconnected,
      torn_bytes: rest.tornBytes,
    });
  }

  /** The engine can no longer serve. */
  failed(error: Error): void {
    const isStorage = error instanceof SessileError && error.code === 'storage_failed';
    const event = isStorage ? 'storage_failed' : 'shard_failed';
    this.log.error(event, { message: textOf(error) });
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#bursts?.flush(true);
  }
}

function textOf(error: unknown): string {
  return failureText(error).slice(0, TEXT_CHARACTERS_MAX);
}
