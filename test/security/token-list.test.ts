/** A list of tokens in a file: who they are, what is refused, and what a reload changes. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { TokenList } from '../../src/security/token-list.ts';
import { errorOf } from '../client/peer.ts';
import { fileWith } from './files.ts';

const BILLING = 'a-token-of-billing-1';
const OPS = 'a-token-of-the-operators';
const hashOf = (token: string): string =>
  `sha256:${createHash('sha256').update(token).digest('hex')}`;
const LIST = `# who may connect\n\n${BILLING} billing\n  ${hashOf(OPS)}\tops  client,operator\r\n`;

test('a token of the list, plain or as a hash, tells who bears it', async () => {
  const list = await TokenList.open(fileWith(LIST));
  expect(await list.authenticate(BILLING)).toEqual({ name: 'billing', roles: new Set(['client']) });
  const ops = await list.authenticate(OPS);
  expect(ops).toEqual({ name: 'ops', roles: new Set(['client', 'operator']) });
});

test('no token, another one, and the hash itself are unauthorized, and not repeated', async () => {
  const list = await TokenList.open(fileWith(LIST));
  for (const token of [undefined, '', `${BILLING}1`, BILLING.slice(1), hashOf(OPS), '#']) {
    const error = await errorOf(list.authenticate(token));
    expect(error).toMatchObject({ code: 'unauthorized' });
    if (token !== undefined && token !== '' && token !== '#') {
      expect(error.message).not.toContain(token);
    }
  }
});

test.each([
  ['', 'at least one token'],
  ['# nobody\n', 'at least one token'],
  ['a-token-of-billing-1\n', 'line 1: a line is a token, a name and roles'],
  ['a-token-of-billing-1 billing client now\n', 'line 1: a line is'],
  ['\na-token-of-billing-1 billing admin\n', 'line 2: roles are'],
  ['a-token-of-billing-1 billing client,client\n', 'line 1: roles are'],
  ['short billing\n', 'line 1: a token has 16 to 8192 bytes'],
  [`${'x'.repeat(8193)} billing\n`, 'line 1: a token has 16 to 8192 bytes'],
  [`sha256:${'0'.repeat(63)} billing\n`, 'line 1: after sha256: stand 64'],
  [`a-token-of-billing-1 ${'b'.repeat(257)}\n`, 'line 1: a name has at most 256 bytes'],
  [`${BILLING} one\n${hashOf(BILLING)} two\n`, 'line 2: the token stands there twice'],
])('the list %j is refused: %s', async (text, expected) => {
  const error = await errorOf(TokenList.open(fileWith(text)));
  expect(error).toMatchObject({ code: 'invalid_options', option: 'tokens' });
  expect(error.message).toContain(expected);
  expect(error.message).not.toContain(BILLING);
});

test('a list that is too long, and a file that is not there, are refused', async () => {
  const many = Array.from({ length: 1001 }, (_, i) => `a-token-of-number-${i} name${i}\n`).join('');
  expect((await errorOf(TokenList.open(fileWith(many)))).message).toContain('at most 1000 tokens');
  const missing = await errorOf(TokenList.open('/nowhere/tokens'));
  expect(missing).toMatchObject({ code: 'invalid_options', option: 'tokens' });
});

test('after a reload new tokens are good, and who lost theirs is revoked', async () => {
  const path = fileWith(`${BILLING} billing\n${OPS} ops operator\n`);
  const list = await TokenList.open(path);
  const billing = await list.authenticate(BILLING);
  const ops = await list.authenticate(OPS);
  writeFileSync(path, `another-token-of-billing billing\n${hashOf(BILLING)} billing\n`);
  await list.reload();
  expect([list.isRevoked(billing), list.isRevoked(ops)]).toEqual([false, true]);
  await list.authenticate('another-token-of-billing');
  expect(await errorOf(list.authenticate(OPS))).toMatchObject({ code: 'unauthorized' });
});

test('whoever has another name or other roles after a reload is revoked', async () => {
  const path = fileWith(`${BILLING} billing client\n${OPS} ops client,operator\n`);
  const list = await TokenList.open(path);
  const billing = await list.authenticate(BILLING);
  const ops = await list.authenticate(OPS);
  writeFileSync(path, `${BILLING} invoices client\n${OPS} ops operator\n`);
  await list.reload();
  expect([list.isRevoked(billing), list.isRevoked(ops)]).toEqual([true, true]);
});

test('a reload of a list that is not good changes nothing', async () => {
  const path = fileWith(LIST);
  const list = await TokenList.open(path);
  const billing = await list.authenticate(BILLING);
  writeFileSync(path, 'short billing\n');
  expect(await errorOf(list.reload())).toMatchObject({ code: 'invalid_options' });
  expect(list.isRevoked(billing)).toBe(false);
  expect(await list.authenticate(BILLING)).toBe(billing);
});

test('the list in docs/security.md is one', async () => {
  const text = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
  const example = /^```text tokens\n([\s\S]*?)^```$/m.exec(text)?.[1] ?? '';
  const list = await TokenList.open(fileWith(example));
  const ops = await list.authenticate('d41f77a5c0264b0c9b8e5a11');
  expect(ops).toEqual({ name: 'ops', roles: new Set(['client', 'operator']) });
});
