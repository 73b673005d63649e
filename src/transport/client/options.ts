/**
 * What a caller may choose, and the checks on it. Every option has a default; a value out of range
 * is an `InvalidOptionError` before anything is sent.
 */
import type { ClientId } from '../../core/client-id.ts';
import { InvalidOptionError, integerOption } from '../../core/errors.ts';
import { TTL_MS_MAX } from '../../core/limits.ts';
import { DEFAULT_HOST, DEFAULT_PORT } from '../protocol.ts';

/** The longest that Node's timers can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const QUEUE_MAX = 2 ** 20;
const RATE_MAX = 2 ** 32 - 1;
/** The server refuses a hello with a longer name or token as malformed. */
const TEXT_BYTES_MAX = 1024;

/** Options of `connect`. */
export interface ConnectOptions {
  /** Name or address of the server; 127.0.0.1 if not given. */
  readonly host?: string | undefined;
  /** TCP port, 1 to 65535; 7377 if not given. */
  readonly port?: number | undefined;
  /** What this client calls itself in the server's logs; at most 1024 bytes. */
  readonly name?: string | undefined;
  /** The token that the server asks for; at most 1024 bytes. */
  readonly token?: string | undefined;
  /** Time in ms for one try to connect and be welcomed; 5000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Time in ms for one request, call, ping, register or close that names none itself; 5000. */
  readonly timeoutMs?: number | undefined;
  /** Requests that may wait per session, and calls per connection, beside those in flight; 1024. */
  readonly queueMax?: number | undefined;
  /** Shortest and longest wait in ms before a reconnect or a retry; 20 and 2000. */
  readonly reconnectMinMs?: number | undefined;
  readonly reconnectMaxMs?: number | undefined;
  /** Source of the waits' random part, from 0 up to 1; `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** Connect options after the checks, with defaults filled in. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly name: string | undefined;
  readonly token: string | undefined;
  readonly connectTimeoutMs: number;
  readonly timeoutMs: number;
  readonly queueMax: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  readonly random: () => number;
}

/** Options of one request, call, ping or close. */
export interface RequestOptions {
  /** Time in ms until `RequestTimeoutError`, 1 to 2^31 − 1; the connection's if not given. */
  readonly timeoutMs?: number | undefined;
  /** Gives up when aborted; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `connection.session`. */
export interface SessionOptions extends RequestOptions {
  /** The client id to register; 16 random bytes if not given. */
  readonly id?: ClientId | undefined;
  /** Idle time in ms until the session expires, null for never; the server's if not given. */
  readonly ttlMs?: number | null | undefined;
  /** `connection` ends the session together with its connection. */
  readonly scope?: 'connection' | undefined;
  /** At most `perSecond` requests a second on average and `burst` at once. */
  readonly rate?: { readonly perSecond: number; readonly burst: number } | undefined;
  /** What the session asks to be allowed, by the server's names. */
  readonly capabilities?: readonly string[] | undefined;
  /** The session's first data, if it is new. */
  readonly data?: unknown;
}

/** Checks the options of `connect`. */
export function resolveSettings(options: ConnectOptions): Settings {
  const reconnectMinMs = integerOption(
    'reconnectMinMs',
    options.reconnectMinMs ?? 20,
    1,
    TIMER_MS_MAX,
  );
  const random = options.random ?? Math.random;
  if (typeof random !== 'function') {
    throw new InvalidOptionError('random', random, 'a function that returns 0 up to 1');
  }
  const maxMs = options.reconnectMaxMs ?? Math.max(2000, reconnectMinMs);
  return {
    host: textOption('host', options.host ?? DEFAULT_HOST) ?? DEFAULT_HOST,
    port: integerOption('port', options.port ?? DEFAULT_PORT, 1, 65535),
    name: textOption('name', options.name),
    token: textOption('token', options.token),
    connectTimeoutMs: timeoutOption('connectTimeoutMs', options.connectTimeoutMs, 5000),
    timeoutMs: timeoutOption('timeoutMs', options.timeoutMs, 5000),
    queueMax: integerOption('queueMax', options.queueMax ?? 1024, 0, QUEUE_MAX),
    reconnectMinMs,
    reconnectMaxMs: integerOption('reconnectMaxMs', maxMs, reconnectMinMs, TIMER_MS_MAX),
    random,
  };
}

/** Checks a time limit in ms. */
export function timeoutOption(name: string, value: unknown, fallback: number): number {
  return integerOption(name, value ?? fallback, 1, TIMER_MS_MAX);
}

/** The options map of a register frame, under its names on the wire. */
export function registerFields(options: SessionOptions): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const { ttlMs, rate, scope, capabilities } = options;
  if (ttlMs === null) fields.ttl_ms = null;
  else if (ttlMs !== undefined) fields.ttl_ms = integerOption('ttlMs', ttlMs, 1, TTL_MS_MAX);
  if (rate !== undefined) {
    fields.rate = [
      integerOption('rate.perSecond', rate.perSecond, 1, RATE_MAX),
      integerOption('rate.burst', rate.burst, 1, RATE_MAX),
    ];
  }
  if (scope !== undefined) {
    if (scope !== 'connection') throw new InvalidOptionError('scope', scope, "'connection'");
    fields.scope = scope;
  }
  if (capabilities !== undefined) {
    if (!Array.isArray(capabilities) || capabilities.some((name) => typeof name !== 'string')) {
      throw new InvalidOptionError('capabilities', capabilities, 'an array of names');
    }
    fields.capabilities = capabilities;
  }
  if (options.data !== undefined) fields.data = options.data;
  return fields;
}

function textOption(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '' || Buffer.byteLength(value) > TEXT_BYTES_MAX) {
    throw new InvalidOptionError(name, value, `a text of 1 to ${TEXT_BYTES_MAX} bytes`);
  }
  return value;
}
