/** The options of `IdempotencyKeys`, checked and completed. */
import { InvalidOptionError, integerOption } from '../core/errors.ts';
import { TTL_MS_MAX } from '../core/limits.ts';
import { type KeyClock, systemClock } from './clock.ts';
import { bytesOption } from './record.ts';

export interface KeyOptions {
  /**
   * How long a key stays taken when whoever runs it dies, in ms; 30 000. It is renewed three times
   * as often, so an event loop that stands still for longer loses the key.
   */
  readonly leaseMs?: number | undefined;
  /** How long a result is kept, in ms; 24 hours. */
  readonly retentionMs?: number | undefined;
  /** How long a caller waits for another one that runs the key, in ms; 30 000. */
  readonly waitMs?: number | undefined;
  /** What ids are derived with: whoever knows it and a key can find its session; 'sessile'. */
  readonly secret?: string | Uint8Array | undefined;
  /** Whether a caller waits for another one that runs the key; `wait`. */
  readonly onBusy?: 'wait' | 'reject' | undefined;
  /** Time, for tests. */
  readonly clock?: KeyClock | undefined;
}

export interface KeySettings {
  readonly leaseMs: number;
  readonly retentionMs: number;
  readonly waitMs: number;
  readonly secret: string | Uint8Array;
  readonly waits: boolean;
  readonly clock: KeyClock;
}

/** Below this the renewals would cost more than they keep. */
const LEASE_MS_MIN = 10;
/** The longest that Node's timers can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const DAY_MS = 86_400_000;

/** Throws `InvalidOptionError`. */
export function checkKeyOptions(options: KeyOptions): KeySettings {
  const secret = options.secret ?? 'sessile';
  bytesOption('secret', secret, 1);
  const onBusy = options.onBusy ?? 'wait';
  if (onBusy !== 'wait' && onBusy !== 'reject') {
    throw new InvalidOptionError('onBusy', onBusy, "'wait' or 'reject'");
  }
  return {
    leaseMs: integerOption('leaseMs', options.leaseMs ?? 30_000, LEASE_MS_MIN, TIMER_MS_MAX),
    retentionMs: integerOption('retentionMs', options.retentionMs ?? DAY_MS, 1, TTL_MS_MAX),
    waitMs: integerOption('waitMs', options.waitMs ?? 30_000, 0, TIMER_MS_MAX),
    secret,
    waits: onBusy === 'wait',
    clock: options.clock ?? systemClock,
  };
}
