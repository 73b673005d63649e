/**
 * The key that JWTs are verified with, from a file: a secret, a public key in PEM, or a set of
 * public keys (JWKS). What the key is fixes the algorithm; a token has no say in it. A file that
 * could be taken for another kind than it is is refused: a public key used as a secret would let
 * in whoever knows it.
 */
import { isUtf8 } from 'node:buffer';
import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { createLocalJWKSet, type JSONWebKeySet, type JWK, type JWTVerifyGetKey } from 'jose';
import { RSA_BITS_MIN, SECRET_BYTES_MIN } from './limits.ts';
import { publicForm, textOf } from './public-key-forms.ts';
import { badFile, readSecretFile } from './secret-file.ts';

const OPTION = 'jwtKey';

export interface VerificationKey {
  readonly key: KeyObject | JWTVerifyGetKey;
  readonly algorithms: readonly string[];
}

/** Throws `InvalidOptionError` when the file holds nothing that tokens can be verified with. */
export async function readVerificationKey(path: string): Promise<VerificationKey> {
  const bytes = await readSecretFile(OPTION, path);
  const text = textOf(bytes);
  const bad = (expected: string): Error => badFile(OPTION, path, expected);
  if (text.startsWith('{')) return readKeySet(text, bad);
  if (text.includes('PRIVATE KEY')) {
    throw bad('the public key: a server that only verifies must not have the private one');
  }
  if (text.startsWith('-----BEGIN')) return readPublicKey(text, bad);
  const form = publicForm(bytes);
  if (form !== undefined) throw bad(`a public key in PEM or a JWKS, rather than a key ${form}`);
  return readSecret(bytes, bad);
}

type Bad = (expected: string) => Error;

function readSecret(bytes: Buffer, bad: Bad): VerificationKey {
  // An editor ends the last line; that is no part of the secret.
  let end = bytes.byteLength;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end -= 1;
  if (end < SECRET_BYTES_MIN) {
    throw bad(`a secret of at least ${SECRET_BYTES_MIN} bytes, a public key in PEM, or a JWKS`);
  }
  const secret = bytes.subarray(0, end);
  if (hasLines(secret)) throw bad('a secret on one line, the first: the file has more than that');
  return { key: createSecretKey(secret), algorithms: ['HS256'] };
}

/** Whether it is a text with ends of lines. To random bytes these are bytes like others. */
function hasLines(secret: Buffer): boolean {
  if (!isUtf8(secret)) return false;
  const text = secret.toString();
  const hasOtherControls = /[^\P{Cc}\t\r\n]/u.test(text);
  return !hasOtherControls && /[\r\n]/.test(text);
}

function readPublicKey(text: string, bad: Bad): VerificationKey {
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch {
    throw bad('a public key in PEM that can be read');
  }
  return { key, algorithms: [algorithmOf(key, bad)] };
}

function readKeySet(text: string, bad: Bad): VerificationKey {
  let keys: unknown;
  try {
    ({ keys } = JSON.parse(text) as { keys?: unknown });
  } catch {
    throw bad('a set of keys (JWKS) in JSON that can be read');
  }
  if (!Array.isArray(keys) || keys.length === 0) throw bad('a set of keys: {"keys": [ … ]}');
  const checked = keys.map((jwk: unknown) => readJwk(jwk, bad));
  const set: JSONWebKeySet = { keys: checked };
  const algorithms = [...new Set(checked.map(({ alg }) => alg as string))];
  return { key: createLocalJWKSet(set), algorithms };
}

/** A key of a set, with the algorithm that it is for. */
function readJwk(jwk: unknown, bad: Bad): JWK {
  const { d, kty, alg } = (jwk ?? {}) as JWK;
  if (d !== undefined) throw bad('a set of public keys: one of them is private');
  if (kty === 'oct') throw bad('a set of public keys: a secret is given as a file of its own');
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk as never, format: 'jwk' });
  } catch {
    throw bad('a set of public keys, each of which can be read');
  }
  const algorithm = algorithmOf(key, bad);
  if (alg !== undefined && alg !== algorithm) {
    throw bad(`a set of keys for EdDSA, RS256 or ES256; one is for ${String(alg)}`);
  }
  return { ...(jwk as JWK), alg: algorithm };
}

function algorithmOf(key: KeyObject, bad: Bad): string {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return 'EdDSA';
    case 'rsa':
      if (modulusLength >= RSA_BITS_MIN) return 'RS256';
      throw bad(`an RSA key of at least ${RSA_BITS_MIN} bits`);
    case 'ec':
      if (namedCurve === 'prime256v1') return 'ES256';
      throw bad('a key of the curve P-256, or an Ed25519 or RSA key');
    default:
      throw bad('an Ed25519, RSA or P-256 key');
  }
}
