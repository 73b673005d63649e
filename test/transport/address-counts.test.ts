/** What counts as one address, and how many connections it may have. */
import { expect, test } from 'vitest';
import { AddressCounts, addressKey, isLoopback } from '../../src/transport/address-counts.ts';

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['2001:db8::1:2:3:4:5', '2001:db8:0:1'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['::2', '0:0:0:0'],
  ['127.0.0.1', undefined],
  ['::ffff:127.0.0.9', undefined],
  ['::1', undefined],
  [undefined, undefined],
])('%s counts as %s', (address, key) => {
  expect(addressKey(address)).toBe(key);
});

test('an address has as many places as it may have, and gets back what it gives back', () => {
  const counts = new AddressCounts(2);
  const [a, b] = ['192.0.2.1', '192.0.2.2'];
  expect([counts.enter(a), counts.enter(a), counts.enter(a)]).toEqual([true, true, false]);
  expect(counts.enter(b)).toBe(true);
  counts.leave(a);
  expect([counts.enter(a), counts.enter(a)]).toEqual([true, false]);
  for (const key of [a, a, b]) counts.leave(key);
  expect(counts.size).toBe(0);
});

test('what does not count has any number of places', () => {
  const counts = new AddressCounts(1);
  for (let i = 0; i < 3; i++) expect(counts.enter(undefined)).toBe(true);
  counts.leave(undefined);
  expect(counts.size).toBe(0);
});

test.each([
  ['localhost', true],
  ['127.0.0.1', true],
  ['127.255.0.9', true],
  ['::1', true],
  ['127.0.0.1.example.org', false],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
])('%s is loopback: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
