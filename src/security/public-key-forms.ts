/**
 * The forms in which public keys are handed around. A file that holds one of them, but not one that
 * is read as a key, must not be taken for a secret: everybody knows it.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';

/** As in `authorized_keys`, with or without options in front. */
const SSH = /^(?:sk-)?(?:ssh|ecdsa)-|(?:ssh|ecdsa)-\S+\s+AAAA/m;

/** The text of a file without what editors put before and behind it, and between in UTF-16. */
export function textOf(bytes: Buffer): string {
  const text = bytes.toString('latin1').replace(/^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)/, '');
  return text.replaceAll('\0', '').trim();
}

/** Names the form of public key that the file seems to hold; undefined for none. */
export function publicForm(bytes: Buffer): string | undefined {
  const text = textOf(bytes);
  if (/---- ?BEGIN/.test(text)) return 'with something before -----BEGIN';
  if (SSH.test(text)) return 'for SSH';
  if (text.includes('"kty"') || isJsonText(text)) return 'in JSON that is no {"keys": [ … ]}';
  if (isDer(bytes)) return 'in DER';
  const decoded = [Buffer.from(text, 'base64'), Buffer.from(text.replace(/\s/g, ''), 'hex')];
  const isCoded = decoded.some((form) => isDer(form) || form.includes('-----BEGIN'));
  return isCoded ? 'in base64 or hex without -----BEGIN' : undefined;
}

/** A number is valid JSON too, and a fine secret if it is long. */
function isJsonText(text: string): boolean {
  try {
    return typeof JSON.parse(text) !== 'number';
  } catch {
    return false;
  }
}

function isDer(bytes: Buffer): boolean {
  const readers = [
    () => createPublicKey({ key: bytes, format: 'der', type: 'spki' }),
    () => createPublicKey({ key: bytes, format: 'der', type: 'pkcs1' }),
    () => new X509Certificate(bytes),
  ];
  return readers.some((read) => {
    try {
      read();
      return true;
    } catch {
      return false;
    }
  });
}
