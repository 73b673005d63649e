/** Signed tokens: what is accepted, and each way in which one is not. */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { JwtAuthenticator } from '../../src/security/jwt.ts';
import { openAuthenticator } from '../../src/security/open.ts';
import { errorOf } from '../client/peer.ts';
import { fileWith, forged, inSeconds, pem, rsaPair, SECRET, signed } from './files.ts';

const NOW = Date.UTC(2030, 0, 1);
const rsa = rsaPair();
const ed25519 = generateKeyPairSync('ed25519');
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

const open = (key: string | Uint8Array, more: object = {}): Promise<JwtAuthenticator> =>
  JwtAuthenticator.open({ keyFile: fileWith(key), now: () => NOW, ...more });

/** Claims that are good at the time of these tests. */
const claims = (more: object = {}) => ({ sub: 'billing', exp: inSeconds(60, NOW), ...more });

async function refused(authenticator: JwtAuthenticator, token: string | undefined, what: string) {
  const error = await errorOf(authenticator.authenticate(token));
  expect(error).toMatchObject({ code: 'unauthorized' });
  expect(error.message).toContain(what);
}

describe('a signed token', () => {
  test('tells name, roles and end, with the roles of a client if it names none', async () => {
    const authenticator = await open(SECRET);
    const { exp } = claims();
    expect(await authenticator.authenticate(await signed(claims()))).toEqual({
      name: 'billing',
      roles: new Set(['client']),
      expiresAtMs: exp * 1000,
    });
    const roles = ['operator', 'somewhere-else'];
    const principal = await authenticator.authenticate(await signed(claims({ roles })));
    expect(principal.roles).toEqual(new Set(['operator']));
  });

  test.each([
    ['RS256', rsa],
    ['EdDSA', ed25519],
    ['ES256', ec],
  ])('of %s is verified with a public key in PEM, or with one of a set', async (alg, pair) => {
    const token = await signed(claims(), pair.privateKey, alg);
    const other = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    const jwk = pair.publicKey.export({ format: 'jwk' });
    const set = JSON.stringify({ keys: alg === 'EdDSA' ? [jwk] : [other, jwk] });
    for (const key of [pem(pair.publicKey), set]) {
      const authenticator = await open(key);
      expect(await authenticator.authenticate(token)).toMatchObject({ name: 'billing' });
    }
  });

  test('that is missing, no JWT, or signed by another key is unauthorized', async () => {
    const authenticator = await open(SECRET);
    await refused(authenticator, undefined, 'a token is needed');
    await refused(authenticator, 'nothing.like.it', 'cannot be verified');
    await refused(authenticator, '', 'cannot be verified');
    const other = await signed(claims(), Buffer.alloc(32, 1));
    await refused(authenticator, other, 'signature is not of');
    const [head, body, signature] = (await signed(claims())).split('.');
    const more = Buffer.from(JSON.stringify(claims({ roles: ['operator'] }))).toString('base64url');
    expect(more).not.toBe(body);
    await refused(authenticator, [head, more, signature].join('.'), 'signature is not of');
  });

  test('that has expired, is not good yet, or says neither is unauthorized', async () => {
    const authenticator = await open(SECRET);
    const late = await signed(claims({ exp: inSeconds(-1, NOW) }));
    await refused(authenticator, late, 'has expired');
    await refused(authenticator, await signed(claims({ exp: inSeconds(0, NOW) })), 'has expired');
    const early = await signed(claims({ nbf: inSeconds(1, NOW) }));
    await refused(authenticator, early, 'not good yet');
    await refused(authenticator, await signed(claims({ exp: undefined })), 'claim exp');
    const exact = await signed(claims({ nbf: inSeconds(0, NOW) }));
    expect(await authenticator.authenticate(exact)).toMatchObject({ name: 'billing' });
  });

  test('without a subject, or with roles that are none, is unauthorized', async () => {
    const authenticator = await open(SECRET);
    await refused(authenticator, await signed(claims({ sub: undefined })), 'claim sub');
    await refused(authenticator, await signed(claims({ sub: '' })), 'sub must be a name');
    await refused(authenticator, await signed(claims({ sub: 'x'.repeat(257) })), 'sub must be');
    for (const roles of [[], ['admin'], 'operator', { operator: true }, null]) {
      await refused(authenticator, await signed(claims({ roles })), 'roles name neither');
    }
  });

  test('of another issuer or for somebody else is unauthorized', async () => {
    const authenticator = await open(SECRET, { issuer: 'us', audience: 'sessile' });
    const good = await signed(claims({ iss: 'us', aud: ['other', 'sessile'] }));
    expect(await authenticator.authenticate(good)).toMatchObject({ name: 'billing' });
    const others = [{ iss: 'them', aud: 'sessile' }, { iss: 'us', aud: 'x' }, { iss: 'us' }, {}];
    for (const each of others) await refused(authenticator, await signed(claims(each)), 'claim ');
  });
});

describe('the algorithm is that of the key', () => {
  test('a public key is no secret for HS256', async () => {
    for (const { publicKey } of [rsa, ed25519]) {
      const authenticator = await open(pem(publicKey));
      for (const known of [pem(publicKey), pem(publicKey).trim()]) {
        const token = await signed(claims(), Buffer.from(known));
        await refused(authenticator, token, 'algorithm is not that of');
      }
    }
  });

  test('none, HS512, and RS256 of a key for EdDSA are refused', async () => {
    const authenticator = await open(SECRET);
    for (const alg of ['none', 'None', 'NONE']) {
      await refused(authenticator, forged({ alg }, claims()), '');
      await refused(authenticator, forged({ alg }, claims(), 'AAAA'), '');
    }
    const key = Buffer.from(SECRET);
    const long = await signed(claims(), key, 'HS512');
    await refused(authenticator, long, 'algorithm is not that of');
    const signature = await signed(claims(), rsa.privateKey, 'RS256');
    await refused(await open(pem(ed25519.publicKey)), signature, 'algorithm is not that of');
    const set = JSON.stringify({ keys: [ed25519.publicKey.export({ format: 'jwk' })] });
    await refused(await open(set), signature, 'algorithm is not that of');
    await refused(await open(set), await signed(claims(), Buffer.from(set)), 'algorithm is');
  });
});

describe('a key file', () => {
  test.each([
    ['a short secret', 'x'.repeat(31), 'at least 32 bytes'],
    ['nothing', '\n', 'at least 32 bytes'],
    ['a private key', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }), 'the public key'],
    ['a public key in DER', rsa.publicKey.export({ type: 'spki', format: 'der' }), 'in PEM'],
    [
      'a broken public key',
      '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----',
      'be read',
    ],
    ['a small RSA key', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey), '2048'],
    ['an X25519 key', pem(generateKeyPairSync('x25519').publicKey), 'Ed25519, RSA or P-256'],
    ['broken JSON', '{"keys": [', 'in JSON that can be read'],
    ['JSON that is no set', '{"kty": "oct"}', 'a set of keys'],
    ['an empty set', '{"keys": []}', 'a set of keys'],
    ['a set with a secret', '{"keys": [{"kty": "oct", "k": "AAAA"}]}', 'a secret is given'],
    [
      'a set with a private key',
      JSON.stringify({ keys: [ed25519.privateKey.export({ format: 'jwk' })] }),
      'one of them is private',
    ],
    [
      'a set for another algorithm',
      JSON.stringify({ keys: [{ ...rsa.publicKey.export({ format: 'jwk' }), alg: 'RS512' }] }),
      'one is for RS512',
    ],
  ])('with %s is refused', async (_, content, expected) => {
    const error = await errorOf(open(content as string));
    expect(error).toMatchObject({ code: 'invalid_options', option: 'jwtKey' });
    expect(error.message).toContain(expected);
  });

  test('with a mark of its encoding before it is the key that it is', async () => {
    const token = await signed(claims(), ed25519.privateKey, 'EdDSA');
    const set = JSON.stringify({ keys: [ed25519.publicKey.export({ format: 'jwk' })] });
    for (const text of [pem(ed25519.publicKey), set]) {
      for (const bytes of [Buffer.from(`\ufeff${text}`), Buffer.from(`\ufeff${text}`, 'utf16le')]) {
        const authenticator = await open(bytes);
        expect(await authenticator.authenticate(token)).toMatchObject({ name: 'billing' });
        await refused(authenticator, await signed(claims(), bytes), 'algorithm is not that of');
      }
    }
  });

  test.each([
    ['rsa', rsa],
    ['ed25519', ed25519],
    ['ec', ec],
  ])('with a public key of %s in another form is no secret', async (kind, { publicKey }) => {
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const jwk = JSON.stringify(publicKey.export({ format: 'jwk' }));
    const base64 = spki.toString('base64');
    const ssh = `${kind === 'ec' ? 'ecdsa-sha2-nistp256' : `ssh-${kind}`} AAAA${base64}`;
    const forms: (string | Buffer)[] = [
      `# the key of our issuer\n${pem(publicKey)}`,
      base64,
      `\ufeff${base64}\n`,
      base64.replace(/.{40}/g, '$&\r\n'),
      spki.toString('base64url'),
      spki.toString('hex'),
      Buffer.from(pem(publicKey)).toString('base64'),
      `[${jwk}]`,
      `[{"keys": [${jwk}]}]`,
      `export default {"keys": [${jwk}]}`,
      JSON.stringify(pem(publicKey)),
      JSON.stringify(base64),
      ssh,
      `\ufeff${ssh} issuer@example.org\n`,
      `no-pty ${ssh}`,
    ];
    if (kind === 'rsa') {
      const pkcs1 = publicKey.export({ type: 'pkcs1', format: 'der' });
      forms.push(pkcs1, pkcs1.toString('base64'));
    }
    for (const form of forms) {
      const error = await errorOf(open(form));
      expect(error, String(form)).toMatchObject({ code: 'invalid_options', option: 'jwtKey' });
      expect(error.message).toContain('rather than a key');
    }
  });

  test('with a certificate in another form than PEM is no secret', async () => {
    const certificate = readFileSync(new URL('./certificates/ca.pem', import.meta.url), 'utf8');
    const base64 = certificate.replace(/-----.*-----/g, '');
    expect((await errorOf(open(base64))).message).toContain('rather than a key');
    expect((await errorOf(open(Buffer.from(base64, 'base64')))).message).toContain('in DER');
  });

  test.each([
    ['digits', '31415926535897932384626433832795'],
    ['bytes', Buffer.from(Array.from({ length: 64 }, (_, i) => (i * 37) % 256))],
    ['base64', Buffer.alloc(48, 0x5a).toString('base64')],
    ['a bracket first', '[8fz-a secret that begins like an array'],
  ])('with a secret of %s is a secret', async (_, secret) => {
    const authenticator = await open(secret);
    const token = await signed(claims(), Buffer.from(secret as string));
    expect(await authenticator.authenticate(token)).toMatchObject({ name: 'billing' });
  });

  test('with a secret on several lines is refused, random bytes are not', async () => {
    const line = 'a secret of more than thirty-two bytes';
    const several = ['\n', '\r\n', '\n\n'].map((end) => `${line}${end}another ${line}${end}`);
    for (const text of [...several, `\n${line}\n`, `${line}\n  \n`]) {
      const error = await errorOf(open(text));
      expect(error).toMatchObject({ code: 'invalid_options', option: 'jwtKey' });
      expect(error.message).toContain('a secret on one line, the first');
      expect(error.message).not.toContain('secret of more');
    }
    const bytes = Buffer.concat([Buffer.alloc(20, 0xc3), Buffer.from('\n'), Buffer.alloc(20, 7)]);
    for (const secret of [bytes, Buffer.from(`${'x'.repeat(40)}\0\n${'y'.repeat(40)}`)]) {
      const authenticator = await open(secret);
      const token = await signed(claims(), secret);
      expect(await authenticator.authenticate(token)).toMatchObject({ name: 'billing' });
    }
    const padded = await open(`${line}\n\n`);
    const token = await signed(claims(), Buffer.from(line));
    expect(await padded.authenticate(token)).toMatchObject({ name: 'billing' });
  });

  test('is read again at a reload, or kept if it is not good any more', async () => {
    const path = fileWith(SECRET);
    const authenticator = await JwtAuthenticator.open({ keyFile: path, now: () => NOW });
    const token = await signed(claims());
    writeFileSync(path, 'short');
    expect(await errorOf(authenticator.reload())).toMatchObject({ code: 'invalid_options' });
    await authenticator.authenticate(token);
    writeFileSync(path, 'another secret of more than thirty-two bytes\n');
    await authenticator.reload();
    await refused(authenticator, token, 'signature is not of');
  });
});

describe('a list and signed tokens together', () => {
  test('take either, and refuse what is neither', async () => {
    const tokens = fileWith('a-token-of-the-operators ops operator\n');
    const authenticator = await openAuthenticator({ tokens, jwtKey: fileWith(SECRET) });
    const listed = await authenticator?.authenticate('a-token-of-the-operators');
    expect(listed?.name).toBe('ops');
    const bearer = await authenticator?.authenticate(await signed({ sub: 'billing' }));
    expect(bearer?.name).toBe('billing');
    for (const token of [undefined, 'a-token-of-nobody-at-all']) {
      const attempt = authenticator?.authenticate(token) ?? Promise.resolve();
      expect(await errorOf(attempt)).toMatchObject({ code: 'unauthorized' });
    }
    writeFileSync(tokens, 'another-token-of-the-operators ops operator\n');
    await authenticator?.reload();
    const revoked = [listed, bearer].map((one) => one && authenticator?.isRevoked(one));
    expect(revoked).toEqual([true, false]);
  });

  test('an issuer or an audience without a key is refused', async () => {
    expect(await openAuthenticator({})).toBe(undefined);
    for (const option of ['jwtIssuer', 'jwtAudience']) {
      const error = await errorOf(openAuthenticator({ [option]: 'us' }));
      expect(error).toMatchObject({ code: 'invalid_options', option });
    }
  });
});
