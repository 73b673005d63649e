/**
 * Makes bursts of the same warning one line: the first is told at once, those that follow within
 * the window are counted and told together. What is the same is decided by the event, its `code`
 * and its `shard`, so that ten thousand refused connections are one thing and not ten thousand.
 */
import type { EventFields, EventLog, EventName, EventValue } from '../core/event-log.ts';
import { failureText } from '../services/context.ts';

/** How long a burst is counted before its next line: an operator reads no faster. */
export const BURST_WINDOW_MS = 10_000;
/** Kinds of warning that are counted at a time: more than there are, for codes yet to come. */
export const BURSTS_MAX = 256;
/** Addresses that one line names: enough to see whether it is one machine or all of them. */
export const BURST_ADDRESSES_MAX = 8;

interface Burst {
  readonly event: EventName;
  sinceMs: number;
  /** Since the last line. */
  count: number;
  fields: EventFields;
  readonly addresses: Set<string>;
  hasMoreAddresses: boolean;
}

export class EventBursts implements EventLog {
  readonly #target: EventLog;
  readonly #nowMs: () => number;
  readonly #bursts = new Map<string, Burst>();

  /** @param nowMs a clock that never goes back */
  constructor(target: EventLog, nowMs: () => number) {
    this.#target = target;
    this.#nowMs = nowMs;
  }

  info(event: EventName, fields?: EventFields): void {
    this.#give('info', event, fields);
  }

  error(event: EventName, fields?: EventFields): void {
    this.#give('error', event, fields);
  }

  warn(event: EventName, fields: EventFields = {}): void {
    const key = `${event} ${String(fields.code)} ${String(fields.shard)}`;
    const burst = this.#bursts.get(key);
    if (burst !== undefined) return count(burst, fields);
    if (this.#bursts.size >= BURSTS_MAX) this.#giveUpOldest();
    const sinceMs = this.#nowMs();
    const fresh = { event, sinceMs, count: 0, fields, hasMoreAddresses: false };
    this.#bursts.set(key, { ...fresh, addresses: new Set() });
    this.#give('warn', event, fields);
  }

  /** Tells the bursts whose window is over; call it now and then. `all` ends every one. */
  flush(all = false): void {
    const now = this.#nowMs();
    for (const [key, burst] of this.#bursts) {
      if (!all && now - burst.sinceMs < BURST_WINDOW_MS) continue;
      const isOver = burst.count === 0;
      this.#tell(burst, now);
      if (all || isOver) this.#bursts.delete(key);
    }
  }

  /** A log that throws harms nobody but itself. */
  #give(level: keyof EventLog, event: EventName, fields?: EventFields): void {
    try {
      this.#target[level](event, fields);
    } catch (error) {
      process.emitWarning(`the log threw at ${event}: ${failureText(error)}`);
    }
  }

  #giveUpOldest(): void {
    for (const [key, burst] of this.#bursts) {
      this.#tell(burst, this.#nowMs());
      this.#bursts.delete(key);
      return;
    }
  }

  #tell(burst: Burst, now: number): void {
    const { event, count, addresses, hasMoreAddresses } = burst;
    if (count > 0) {
      const { address: _, ...fields } = burst.fields;
      const summary: Record<string, EventValue> = { ...fields, count };
      summary.within_ms = Math.round(now - burst.sinceMs);
      if (addresses.size > 0) summary.addresses = [...addresses];
      if (hasMoreAddresses) summary.more_addresses = true;
      this.#give('warn', event, summary);
    }
    burst.sinceMs = now;
    burst.count = 0;
    burst.hasMoreAddresses = false;
    addresses.clear();
  }
}

function count(burst: Burst, fields: EventFields): void {
  // One that comes from another thread may stand for several already.
  burst.count += typeof fields.count === 'number' ? fields.count : 1;
  burst.fields = fields;
  if (typeof fields.address !== 'string' || burst.addresses.has(fields.address)) return;
  if (burst.addresses.size < BURST_ADDRESSES_MAX) burst.addresses.add(fields.address);
  else burst.hasMoreAddresses = true;
}
