/**
 * Results of the built-in service and of the server's own operations, checked and under the names
 * that JavaScript gives them. A result of another form is a `ProtocolError`: most likely the server
 * runs a service that has an operation of the same name.
 */
import type { EngineStatus } from '../../workers/status.ts';
import { camelCased } from '../wire-names.ts';
import { ProtocolError } from './errors.ts';
import type { Rate } from './options.ts';

/** A session's data as `get` and `peek` find it. */
export interface Versioned<T extends object = Record<string, unknown>> {
  /** How often the data was written. */
  readonly version: number;
  readonly data: T;
}

/** What the server tells of a session through `info`. */
export interface SessionInfo {
  readonly createdMs: number;
  readonly lastActivityMs: number;
  /** Null for never. */
  readonly ttlMs: number | null;
  /** Null for never. */
  readonly expiresInMs: number | null;
  readonly version: number;
  readonly dataBytes: number;
  /** The session's number. */
  readonly session: number;
  /** The number of its last committed request. */
  readonly request: number;
  readonly capabilities: string[];
}

/** One session as an operator sees it in a list. */
export interface SessionEntry extends Omit<SessionInfo, 'capabilities'> {
  /** The client id as 32 lowercase hexadecimal digits. */
  readonly id: string;
  readonly idleMs: number;
  /** True while a request is executing on it. */
  readonly executing: boolean;
  /** True when it ends together with its connection. */
  readonly connectionScoped: boolean;
}

/** One session as an operator sees it alone. */
export interface SessionDetails extends SessionEntry {
  readonly rate: Rate | null;
  readonly capabilities: string[];
}

export interface SessionPage {
  readonly sessions: SessionEntry[];
  /** Where the next page begins; null when there is none. */
  readonly cursor: string | null;
}

/** The rate limit in a server's map; null if there is none. */
export function rateOf(value: unknown): Rate | null {
  if (!Array.isArray(value)) return null;
  const [perSecond, burst] = value as unknown[];
  return typeof perSecond === 'number' && typeof burst === 'number' ? { perSecond, burst } : null;
}

/** The names in a server's array. */
export function namesOf(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((name): name is string => typeof name === 'string');
}

export function readNumber(what: string, value: unknown): number {
  // What is too large to be exact as a number arrives as a bigint.
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  throw unexpected(what, 'no number');
}

export function readBoolean(what: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw unexpected(what, 'neither true nor false');
}

export function readArray(what: string, value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw unexpected(what, 'no array');
}

export function readVersioned<T extends object>(what: string, value: unknown): Versioned<T> {
  const [version, data] = readArray(what, value);
  return {
    version: readNumber(what, version),
    data: readMap(what, data) as T,
  };
}

export function readInfo(value: unknown): SessionInfo {
  const fields = new Fields('info', value);
  return { ...readFigures(fields), capabilities: namesOf(fields.get('capabilities')) };
}

export function readPage(value: unknown): SessionPage {
  const fields = new Fields('list', value);
  const sessions = readArray('list', fields.get('sessions'));
  const cursor = fields.get('cursor');
  return {
    sessions: sessions.map((entry) => readEntry(new Fields('list', entry))),
    cursor: typeof cursor === 'string' ? cursor : null,
  };
}

export function readDetails(value: unknown): SessionDetails | null {
  if (value === null) return null;
  const fields = new Fields('inspect', value);
  return {
    ...readEntry(fields),
    rate: rateOf(fields.get('rate')),
    capabilities: namesOf(fields.get('capabilities')),
  };
}

/** A server's map with its own keys in camelCase; what is inside of its values stays as it is. */
export function readCamelMap(what: string, value: unknown): Record<string, unknown> {
  const entries = Object.entries(readMap(what, value));
  return Object.fromEntries(entries.map(([key, item]) => [camelCase(key), item]));
}

/** All that a server tells of itself. What it may tell beyond that is kept. */
export function readStatus(value: unknown): EngineStatus {
  const map = readMap('status', value);
  // The keys of this one are no names of fields, but error codes.
  const errors = readMap('status, errors', map.errors);
  return { ...(camelCased(map) as EngineStatus), errors: errors as EngineStatus['errors'] };
}

function readEntry(fields: Fields): SessionEntry {
  return {
    id: fields.id('id'),
    ...readFigures(fields),
    idleMs: fields.number('idle_ms'),
    executing: fields.boolean('executing'),
    connectionScoped: fields.boolean('connection_scoped'),
  };
}

function readFigures(fields: Fields): Omit<SessionInfo, 'capabilities'> {
  return {
    createdMs: fields.number('created_ms'),
    lastActivityMs: fields.number('last_activity_ms'),
    ttlMs: fields.numberOrNull('ttl_ms'),
    expiresInMs: fields.numberOrNull('expires_in_ms'),
    version: fields.number('version'),
    dataBytes: fields.number('data_bytes'),
    session: fields.number('session'),
    request: fields.number('request'),
  };
}

/** A map of the server, read field by field. */
class Fields {
  readonly #map: Record<string, unknown>;

  constructor(
    readonly what: string,
    value: unknown,
  ) {
    this.#map = readMap(what, value);
  }

  get(name: string): unknown {
    return this.#map[name];
  }

  number(name: string): number {
    return readNumber(`${this.what}, ${name}`, this.#map[name]);
  }

  numberOrNull(name: string): number | null {
    return this.#map[name] === null ? null : this.number(name);
  }

  boolean(name: string): boolean {
    return readBoolean(`${this.what}, ${name}`, this.#map[name]);
  }

  id(name: string): string {
    const value = this.#map[name];
    if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
    throw unexpected(`${this.what}, ${name}`, 'no client id');
  }
}

function readMap(what: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw unexpected(what, 'no map');
}

function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
}

function unexpected(what: string, found: string): ProtocolError {
  return new ProtocolError(`the server's answer to ${what} is ${found}`);
}
