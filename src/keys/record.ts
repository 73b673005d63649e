/**
 * What a key's session holds: a map that says how far the key is. Fingerprints are kept as digests,
 * so that a whole request can serve as one.
 */
import { createHmac } from 'node:crypto';
import { InvalidOptionError } from '../core/errors.ts';
import type { IdempotencyKey } from './errors.ts';

/** How `fn` ended where it did not throw. */
export type Outcome = 'done' | 'too_large' | 'not_storable';

export interface KeyRecord {
  readonly state: 'running' | Outcome;
  readonly fingerprint: Uint8Array | undefined;
  /** Drawn anew for each register, so that whoever made the session knows it again. */
  readonly owner: Uint8Array | undefined;
  readonly result: unknown;
}

/** A key as its sessions know it. */
export interface KeyName {
  readonly key: IdempotencyKey;
  readonly id: Uint8Array;
  readonly fingerprint: Uint8Array | undefined;
}

const DIGEST_BYTES = 16;

const STATES: readonly unknown[] = ['running', 'done', 'too_large', 'not_storable'];

/** Names a key. Throws `InvalidOptionError`. */
export function nameKey(
  secret: string | Uint8Array,
  key: IdempotencyKey,
  fingerprint: string | Uint8Array | undefined,
): KeyName {
  const id = digest(secret, [bytesOption('key', key, 1)]);
  // No client id is all zero; it costs nothing to be sure.
  if (id.every((byte) => byte === 0)) id[DIGEST_BYTES - 1] = 1;
  if (fingerprint === undefined) return { key, id, fingerprint };
  // With the id in it, equal fingerprints of different keys are not to be told from the data.
  const bytes = bytesOption('fingerprint', fingerprint, 0);
  return { key, id, fingerprint: digest(secret, [id, bytes]) };
}

export function runningData(name: KeyName, owner: Uint8Array): Record<string, unknown> {
  return { ...fingerprintData(name), state: 'running', owner };
}

/** The data of a session that nobody runs; it frees the key when it ends. */
export function runningStub(): Record<string, unknown> {
  return { state: 'running' };
}

/** An undefined result is left out, and so comes back as undefined. */
export function endedData(name: KeyName, state: Outcome, result: unknown): Record<string, unknown> {
  return { ...fingerprintData(name), state, ...(result === undefined ? {} : { result }) };
}

/** The record in the answer to `peek`, `[version, data]`. */
export function readRecord(answer: unknown): KeyRecord {
  const data: unknown = Array.isArray(answer) ? answer[1] : undefined;
  const fields = (typeof data === 'object' && data !== null ? data : {}) as Record<string, unknown>;
  return {
    // What this version does not know is left to those who do, as if it were running.
    state: STATES.includes(fields.state) ? (fields.state as KeyRecord['state']) : 'running',
    fingerprint: bytesOf(fields.fingerprint),
    owner: bytesOf(fields.owner),
    result: fields.result,
  };
}

/** Whether two digests or tokens are both there and the same. */
export function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}

/** A fingerprint is compared where both sides gave one. */
export function mismatches(record: KeyRecord, name: KeyName): boolean {
  if (record.fingerprint === undefined || name.fingerprint === undefined) return false;
  return !isSame(record.fingerprint, name.fingerprint);
}

/** A text or bytes from a caller, as bytes. Throws `InvalidOptionError`. */
export function bytesOption(option: string, value: unknown, bytesMin: number): Uint8Array {
  // Texts that are not well formed would lose what tells them apart.
  const isText = typeof value === 'string' && value.isWellFormed();
  const bytes = isText ? Buffer.from(value, 'utf8') : value;
  if (bytes instanceof Uint8Array && bytes.byteLength >= bytesMin) return bytes;
  const some = bytesMin > 0 ? ', not empty' : '';
  throw new InvalidOptionError(option, value, `a well-formed text or a Uint8Array${some}`);
}

function fingerprintData(name: KeyName): Record<string, unknown> {
  return name.fingerprint === undefined ? {} : { fingerprint: name.fingerprint };
}

function digest(secret: string | Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', secret);
  for (const part of parts) hmac.update(part);
  // A copy of its own: the whole digest would be kept otherwise.
  return Uint8Array.from(hmac.digest().subarray(0, DIGEST_BYTES));
}

function bytesOf(value: unknown): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined;
}
