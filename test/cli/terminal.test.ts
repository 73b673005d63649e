/** What the commands print with: figures, columns, colours, addresses. */
import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../src/cli/endpoint.ts';
import { columns, cut, pad, widthOf } from '../../src/cli/terminal/columns.ts';
import { count, share, shortCount, size, span, time } from '../../src/cli/terminal/figures.ts';
import { styleFor } from '../../src/cli/terminal/style.ts';
import { parseInterval } from '../../src/cli/watch/interval.ts';

describe('figures', () => {
  test.each([
    [0, '0.00 µs'],
    [12.345, '12.3 µs'],
    [999.4, '999 µs'],
    [999.6, '1.00 ms'],
    [12_345, '12.3 ms'],
    [999_600, '1.00 s'],
    [75_000_000, '75.0 s'],
  ])('%d µs is %s', (us, text) => expect(time(us)).toBe(text));

  test.each([
    [999, '999 ms'],
    [59_999, '59 s'],
    [245_000, '4 m 05 s'],
    [12_000_000, '3 h 20 m'],
    [187_200_000, '2 d 4 h'],
  ])('a span of %d ms is %s', (ms, text) => expect(span(ms)).toBe(text));

  test.each([
    [1023, '1023 B'],
    [1024, '1.00 KiB'],
    [1_572_864, '1.50 MiB'],
    [1_073_741_000, '1.00 GiB'],
  ])('%d bytes are %s', (bytes, text) => expect(size(bytes)).toBe(text));

  test.each([
    [9999, '9999'],
    [10_000, '10.0k'],
    [999_600, '1.00M'],
    [1_234_567, '1.23M'],
  ])('%d is short for %s', (value, text) => expect(shortCount(value)).toBe(text));

  test('have their thousands apart, and shares are whole', () => {
    expect(count(1_234_567.4)).toBe('1,234,567');
    expect(share(0.126)).toBe('13 %');
  });
});

describe('columns', () => {
  const { bold } = styleFor({ isTTY: true }, {});

  test('are as wide as their widest cell, escape sequences aside', () => {
    const rows = [
      ['name', 'n'],
      [bold('x'), '100'],
    ];
    const lines = columns(rows, ['left', 'right']);
    expect(lines).toEqual(['name    n', `${bold('x')}     100`]);
    expect(widthOf(lines[1])).toBe(widthOf(lines[0]));
    expect(pad(bold('x'), 3, 'right')).toBe(`  ${bold('x')}`);
  });

  test('may be cut, and show it', () => {
    expect(cut('abcdef', 4)).toBe('abc…');
    expect(cut('abcd', 4)).toBe('abcd');
  });
});

describe('colours', () => {
  test('are for terminals only, and not where they are unwanted', () => {
    const shown = (isTTY: boolean, env: NodeJS.ProcessEnv) => styleFor({ isTTY }, env).red('x');
    expect(shown(true, {})).toBe('\u001b[31mx\u001b[39m');
    expect(shown(true, { NO_COLOR: '' })).toBe('\u001b[31mx\u001b[39m');
    expect(shown(true, { NO_COLOR: '1' })).toBe('x');
    expect(shown(true, { TERM: 'dumb' })).toBe('x');
    expect(shown(false, {})).toBe('x');
  });
});

describe('an address', () => {
  test.each([
    ['10.0.0.5:99', '10.0.0.5', 99],
    ['example.org', 'example.org', 7377],
    [':99', '127.0.0.1', 99],
    ['99', '127.0.0.1', 99],
    ['[::1]:99', '::1', 99],
    ['[::1]', '::1', 7377],
  ])('%s has its parts, or the defaults', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port });
  });

  test.each(['a:b', '::1', '1:2:3', 'a:0', 'a:65536', '[::1', 'a:123456'])('%s is none', (text) => {
    expect(() => parseAddress(text)).toThrow();
  });
});

test('an interval is seconds, with a part of one, from a tenth', () => {
  expect(['1', '0.1', '2.5'].map(parseInterval)).toEqual([1, 0.1, 2.5]);
  for (const text of ['0', '0.05', 'x', '-1', '1e3', '86401']) {
    expect(() => parseInterval(text), text).toThrow();
  }
});
