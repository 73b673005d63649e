/**
 * Looks at the shared memory of an engine now and then, for what no thread would tell by itself: a
 * disk that is full or has room again, and sweeps that fall behind. What it found is told when it
 * changes, and not while it goes to and fro.
 */
import { Arena } from '../core/arena.ts';
import type { EventLog } from '../core/event-log.ts';
import { Header } from '../core/layout.ts';
import { type LogBuffer, LogState } from '../core/log-buffer.ts';
import { logBufferOf, type ShardMemory } from '../workers/shard-memory.ts';

/** How often to look: an operator hears of a full disk within half a second. */
export const WATCH_MS = 500;
/** Expired sessions should be gone within a second; with this lag they are not. */
export const SWEEP_BEHIND_MS = 2_000;
/** It has caught up when it is within that second again. */
export const SWEEP_CAUGHT_UP_MS = 1_000;
/** Looks in a row that must agree: one long turn of the event loop makes any sweep late. */
export const LOOKS = 2;

/** A condition that is told when it holds for some looks in a row, and again when it is over. */
class Condition {
  holds = false;
  #looks = 0;

  /** True when it changed. */
  look(holds: boolean, looks: number): boolean {
    this.#looks = holds === this.holds ? 0 : this.#looks + 1;
    if (this.#looks < looks) return false;
    this.#looks = 0;
    this.holds = holds;
    return true;
  }
}

interface Watched {
  readonly arena: Arena;
  readonly buffer: LogBuffer | undefined;
  readonly isBehind: Condition;
  readonly isFull: Condition;
}

export class EngineWatch {
  readonly #log: EventLog;
  readonly #shards: readonly Watched[];

  constructor(memory: ShardMemory, log: EventLog) {
    this.#log = log;
    this.#shards = memory.arenas.map((arena, shard) => ({
      arena: new Arena(arena),
      buffer: logBufferOf(memory, shard),
      isBehind: new Condition(),
      isFull: new Condition(),
    }));
  }

  /** @param nowMs the time on the engine's clock */
  look(nowMs: number): void {
    for (const [shard, watched] of this.#shards.entries()) {
      this.#lookAtDisk(shard, watched);
      this.#lookAtSweep(shard, watched, nowMs);
    }
  }

  #lookAtDisk(shard: number, { buffer, isFull }: Watched): void {
    if (buffer === undefined) return;
    const isFullNow = buffer.state === LogState.NO_ROOM;
    // Told at once that it is full; that it is not when that lasts.
    if (!isFull.look(isFullNow, isFullNow ? 1 : LOOKS)) return;
    if (isFull.holds) this.#log.warn('storage_full', { shard });
    else if (buffer.state === LogState.OK) this.#log.info('storage_writable', { shard });
  }

  #lookAtSweep(shard: number, { arena, isBehind }: Watched, nowMs: number): void {
    const lagMs = nowMs - arena.floats[Header.WHEEL_TIME / 2];
    const limit = isBehind.holds ? SWEEP_CAUGHT_UP_MS : SWEEP_BEHIND_MS;
    if (!isBehind.look(lagMs > limit, LOOKS)) return;
    const fields = { shard, lag_ms: Math.max(0, Math.round(lagMs)) };
    if (isBehind.holds) this.#log.warn('sweep_behind', fields);
    else this.#log.info('sweep_caught_up', fields);
  }
}
