/** Files for one test, in a folder that goes with it, and tokens signed for it. */
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JWTPayload, SignJWT } from 'jose';
import { onTestFinished } from 'vitest';

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sessile-security-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file with such a content; returns its path. */
export function fileWith(content: string | Uint8Array): string {
  const path = join(temporaryFolder(), 'file');
  writeFileSync(path, content);
  return path;
}

export const SECRET = randomBytes(32).toString('hex');

/** Seconds since 1970 as claims have them, so many from now. */
export function inSeconds(seconds: number, nowMs = Date.now()): number {
  return Math.floor(nowMs / 1000) + seconds;
}

/** A JWT that is good for an hour, unless the claims say otherwise. */
export function signed(
  claims: JWTPayload,
  key: KeyObject | Uint8Array = Buffer.from(SECRET),
  alg = 'HS256',
): Promise<string> {
  const header = { alg, typ: 'JWT' };
  return new SignJWT({ exp: inSeconds(3600), ...claims }).setProtectedHeader(header).sign(key);
}

/** A token that says whatever it likes, with any signature. */
export function forged(header: object, claims: object, signature = ''): string {
  const parts = [header, claims].map((part) => Buffer.from(JSON.stringify(part)));
  return [...parts.map((part) => part.toString('base64url')), signature].join('.');
}

export function rsaPair() {
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}

export function pem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }) as string;
}
