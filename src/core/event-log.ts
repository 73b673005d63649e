/**
 * What an operator is told while a server runs: one event for each thing worth a minute of theirs.
 * Whoever embeds the engine decides where events go; `sessile serve` writes lines. No event carries
 * a session's data, a body, a reply or a token.
 */

/** Every event there is, in about the order in which a life brings them. */
export const EVENT_NAMES = [
  'starting',
  'descriptors_low',
  'recovering',
  'recovered',
  'listening',
  'connection_refused',
  'connections_noticed',
  'protocol_error',
  'slow_reader',
  'accept_failed',
  'hook_failed',
  'worker_replaced',
  'sweep_behind',
  'sweep_caught_up',
  'storage_full',
  'storage_writable',
  'storage_failed',
  'shard_failed',
  'operator_failed',
  'operator_refused',
  'log_lines_lost',
  'configuration_reloaded',
  'reload_failed',
  'stopping',
  'stopped',
] as const;
export type EventName = (typeof EVENT_NAMES)[number];

export type EventValue =
  | string
  | number
  | boolean
  | null
  | readonly string[]
  | { readonly [name: string]: EventValue };

/** Named as on the wire, with underscores and units last: `duration_ms`. */
export type EventFields = Readonly<Record<string, EventValue>>;

export interface EventLog {
  /** Something that is as it should be. */
  info(event: EventName, fields?: EventFields): void;
  /** Something that somebody suffers from; many of a kind come as one, with a count. */
  warn(event: EventName, fields?: EventFields): void;
  /** The server cannot do what it is for. */
  error(event: EventName, fields?: EventFields): void;
}

/** Tells nobody. */
export const NO_LOG: EventLog = { info() {}, warn() {}, error() {} };
