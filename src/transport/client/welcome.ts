/** What the server says about itself when it accepts a connection. */
import { ProtocolError } from './errors.ts';

/** The server's limits, in bytes, milliseconds and counts. */
export interface Limits {
  readonly frameBytesMax: number;
  readonly bodyBytesMax: number;
  readonly dataBytesMax: number;
  readonly replyBytesMax: number;
  readonly sessionsMax: number;
  /** Requests that may be outstanding on one connection; the client keeps to it by itself. */
  readonly inFlightMax: number;
  readonly ttlMsMax: number;
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

/** Checks a welcome's map. Throws `ProtocolError` when a part that the client needs is missing. */
export function readWelcome(version: number, fields: Record<string, unknown>): Welcome {
  const given = fieldsOf(fields.limits, 'limits');
  const limit = (name: string): number => count(given[name], `limits.${name}`);
  const limits: Limits = {
    frameBytesMax: limit('frame_bytes_max'),
    bodyBytesMax: limit('body_bytes_max'),
    dataBytesMax: limit('data_bytes_max'),
    replyBytesMax: limit('reply_bytes_max'),
    sessionsMax: limit('sessions_max'),
    inFlightMax: limit('in_flight_max'),
    ttlMsMax: limit('ttl_ms_max'),
  };
  if (limits.inFlightMax === 0) throw new ProtocolError('welcome allows no request at all');
  const operations = new Map<string, number>();
  for (const [name, number] of Object.entries(fieldsOf(fields.operations, 'operations'))) {
    operations.set(name, count(number, `operations.${name}`));
  }
  return {
    version,
    limits,
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
