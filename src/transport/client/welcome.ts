/** What the server says about itself when it accepts a connection. */
import { ProtocolError } from './errors.ts';

/** The server's limits, in bytes, milliseconds and counts, under their names on the wire. */
export interface Limits {
  readonly frame_bytes_max: number;
  readonly body_bytes_max: number;
  readonly data_bytes_max: number;
  readonly reply_bytes_max: number;
  readonly sessions_max: number;
  /** Requests that may be outstanding on one connection; the client keeps to it by itself. */
  readonly in_flight_max: number;
  readonly ttl_ms_max: number;
}

export interface Welcome {
  readonly version: number;
  readonly limits: Limits;
  /** The service's operations: name to number. */
  readonly operations: ReadonlyMap<string, number>;
  readonly capabilities: unknown;
  readonly shards: number;
  /** The version of the engine, as text. */
  readonly engine: unknown;
}

const LIMIT_NAMES = [
  'frame_bytes_max',
  'body_bytes_max',
  'data_bytes_max',
  'reply_bytes_max',
  'sessions_max',
  'in_flight_max',
  'ttl_ms_max',
] as const;

/** Checks a welcome's map. Throws `ProtocolError` when a part that the client needs is missing. */
export function readWelcome(version: number, fields: Record<string, unknown>): Welcome {
  const given = fieldsOf(fields.limits, 'limits');
  const limits: Record<string, number> = {};
  for (const name of LIMIT_NAMES) limits[name] = count(given[name], `limits.${name}`);
  if (limits.in_flight_max === 0) throw new ProtocolError('welcome allows no request at all');
  const operations = new Map<string, number>();
  for (const [name, number] of Object.entries(fieldsOf(fields.operations, 'operations'))) {
    operations.set(name, count(number, `operations.${name}`));
  }
  return {
    version,
    limits: limits as unknown as Limits,
    operations,
    capabilities: fields.capabilities,
    shards: count(fields.shards, 'shards'),
    engine: fields.engine,
  };
}

function fieldsOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new ProtocolError(`welcome has no map ${name}`);
}

function count(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new ProtocolError(`welcome has no whole number ${name}`);
}
