/**
 * What a caller may choose, and the checks on it. Every option has a default; a value out of range
 * is an `InvalidOptionError` before anything is sent.
 */
import { createSecureContext } from 'node:tls';
import type { ClientId } from '../../core/client-id.ts';
import { InvalidOptionError, integerOption } from '../../core/errors.ts';
import {
  CAPABILITIES_MAX,
  RATE_BURST_MAX,
  RATE_PER_SECOND_MAX,
  TTL_MS_MAX,
} from '../../core/limits.ts';
import { TOKEN_BYTES_MAX } from '../../security/limits.ts';
import { DEFAULT_HOST, DEFAULT_PORT } from '../protocol.ts';
import { checkSocketPath } from '../socket-path.ts';

/** The longest that Node's timers can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const QUEUE_MAX = 2 ** 20;
/** The server refuses a hello or a register with a longer name as malformed. */
const TEXT_BYTES_MAX = 1024;

/** A token, or what gives one whenever a connection is made. */
export type Token = string | (() => string | Promise<string>);

/** Options of `connect`. */
export interface ConnectOptions {
  /** Name or address of the server; 127.0.0.1 if not given. */
  readonly host?: string | undefined;
  /** TCP port, 1 to 65535; 7377 if not given. */
  readonly port?: number | undefined;
  /** A Unix socket of the server, in place of host and port. */
  readonly path?: string | undefined;
  /** Speaks TLS: true, or what it takes beyond the authorities that Node knows. */
  readonly tls?: boolean | TlsSettings | undefined;
  /** What this client calls itself in the server's logs; at most 1024 bytes. */
  readonly name?: string | undefined;
  /**
   * The token that the server asks for, at most 8192 bytes; or a function that gives one anew for
   * each try to connect. With a function a connection outlives its token: when that expires, it is
   * made anew with the next one.
   */
  readonly token?: Token | undefined;
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

/** What TLS takes; all of it in PEM. Node's own authorities are trusted if `ca` is not given. */
export interface TlsSettings {
  /** The certificates that the server's must be signed by, or be. */
  readonly ca?: string | Uint8Array | undefined;
  /** The client's own certificate and its key, for a server that asks for one. */
  readonly cert?: string | Uint8Array | undefined;
  readonly key?: string | Uint8Array | undefined;
  /** The name that the server's certificate must have; `host` if not given. */
  readonly servername?: string | undefined;
}

/** Connect options after the checks, with defaults filled in. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
  readonly tls: TlsSettings | undefined;
  readonly name: string | undefined;
  readonly token: Token | undefined;
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

/** At most `perSecond` requests a second on average, and at most `burst` of them at once. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Options of `connection.session`. */
export interface SessionOptions extends RequestOptions {
  /** The client id to register; 16 random bytes if not given. */
  readonly id?: ClientId | undefined;
  /** Idle time in ms until the session expires, null for never; the server's if not given. */
  readonly ttlMs?: number | null | undefined;
  /**
   * `connection` ends the session together with its connection. A reconnect does not bring it back:
   * it is over, with a `SessionEvictedError` whose reason is `disconnected`.
   */
  readonly scope?: 'connection' | undefined;
  /** The session's own rate limit; the server's if not given. */
  readonly rate?: Rate | undefined;
  /** What the session asks to be allowed, by the server's names. */
  readonly capabilities?: readonly string[] | undefined;
  /** The first data of a session that is new: an object or a Map. */
  readonly data?: object | undefined;
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
  const path = textOption('path', options.path);
  if (path !== undefined) checkSocketPath('path', path);
  const tls = tlsOption(options.tls);
  if (path !== undefined && tls !== undefined) {
    throw new InvalidOptionError('tls', true, 'left out: a Unix socket has no TLS');
  }
  const maxMs = options.reconnectMaxMs ?? Math.max(2000, reconnectMinMs);
  return {
    host: textOption('host', options.host ?? DEFAULT_HOST) ?? DEFAULT_HOST,
    port: integerOption('port', options.port ?? DEFAULT_PORT, 1, 65535),
    path,
    tls,
    name: textOption('name', options.name),
    token: tokenOption(options.token),
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

/** Checks an idle time in ms; null is never. */
export function ttlOption(value: unknown): number | null {
  return value === null ? null : integerOption('ttlMs', value, 1, TTL_MS_MAX);
}

/** Checks that a value is one which msgpack carries as a map. */
export function mapOption(name: string, value: unknown): object {
  const isObject = typeof value === 'object' && value !== null;
  // What is no map and cannot be carried at all is refused where it is encoded.
  const isElse =
    Array.isArray(value) ||
    ArrayBuffer.isView(value) ||
    value instanceof ArrayBuffer ||
    value instanceof Date ||
    value instanceof Set;
  if (isObject && !isElse) return value;
  throw new InvalidOptionError(name, value, 'an object or a Map');
}

/** The options map of a register frame, under its names on the wire. */
export function registerFields(options: SessionOptions): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const { ttlMs, rate, scope, capabilities, data } = options;
  if (ttlMs !== undefined) fields.ttl_ms = ttlOption(ttlMs);
  if (rate !== undefined) fields.rate = rateField(rate);
  if (scope !== undefined) {
    if (scope !== 'connection') throw new InvalidOptionError('scope', scope, "'connection'");
    fields.scope = scope;
  }
  if (capabilities !== undefined) {
    // A copy shows what is missing in an array as undefined.
    const isList = Array.isArray(capabilities) && [...capabilities].every(isText);
    // The server would end the connection over more or longer ones.
    if (!isList || capabilities.length > CAPABILITIES_MAX) {
      const expected = `at most ${CAPABILITIES_MAX} names of 1 to ${TEXT_BYTES_MAX} bytes`;
      throw new InvalidOptionError('capabilities', capabilities, `an array of ${expected}`);
    }
    fields.capabilities = capabilities;
  }
  if (data !== undefined) fields.data = mapOption('data', data);
  return fields;
}

function rateField(rate: unknown): [perSecond: number, burst: number] {
  if (typeof rate !== 'object' || rate === null) {
    throw new InvalidOptionError('rate', rate, 'an object with perSecond and burst');
  }
  const { perSecond, burst } = rate as Partial<Rate>;
  return [
    integerOption('rate.perSecond', perSecond, 1, RATE_PER_SECOND_MAX),
    integerOption('rate.burst', burst, 1, RATE_BURST_MAX),
  ];
}

/** Its errors tell the type of a value, never the value: errors are logged, keys must not be. */
function tlsOption(value: unknown): TlsSettings | undefined {
  if (value === undefined || value === false) return undefined;
  if (value === true) return {};
  if (typeof value !== 'object' || value === null) {
    const expected = 'true, false, or an object with ca, cert and key';
    throw new InvalidOptionError('tls', typeof value, expected);
  }
  const { ca, cert, key, servername } = value as TlsSettings;
  for (const [name, pem] of Object.entries({ ca, cert, key })) {
    const isPem = pem === undefined || typeof pem === 'string' || pem instanceof Uint8Array;
    if (!isPem) throw new InvalidOptionError(`tls.${name}`, typeof pem, 'PEM, as text or bytes');
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw new InvalidOptionError('tls.cert', typeof cert, 'given together with tls.key');
  }
  try {
    createSecureContext(pemOf({ ca, cert, key }));
  } catch (error) {
    const expected = `given certificates and a key in PEM that fit: ${(error as Error).message}`;
    throw new InvalidOptionError('tls', typeof value, expected);
  }
  return { ca, cert, key, servername: textOption('tls.servername', servername) };
}

/** Certificates and key as Node takes them. */
export function pemOf({ ca, cert, key }: TlsSettings): {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
} {
  return {
    ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
    ...(cert === undefined ? {} : { cert: Buffer.from(cert) }),
    ...(key === undefined ? {} : { key: Buffer.from(key) }),
  };
}

function tokenOption(value: unknown): Token | undefined {
  if (value === undefined || typeof value === 'function') return value as Token | undefined;
  return checkToken(value);
}

/** Checks a token that is about to be sent. */
export function checkToken(value: unknown): string {
  if (typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= TOKEN_BYTES_MAX) {
    return value;
  }
  const expected = `a text of 1 to ${TOKEN_BYTES_MAX} bytes`;
  // Not even a part of a secret is told.
  throw new InvalidOptionError('token', typeof value === 'string' ? '…' : value, expected);
}

function textOption(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (isText(value)) return value;
  throw new InvalidOptionError(name, value, `a text of 1 to ${TEXT_BYTES_MAX} bytes`);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= TEXT_BYTES_MAX;
}
