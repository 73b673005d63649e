import { describe, expect, it } from 'vitest';
import { parseSearch } from '../../src/console/search.ts';

const ID = '0f1e2d3c4b5a69788796a5b4c3d2e1f0';

describe('the search of sessions', () => {
  it.each(['', '   ', '\t\n'])('takes %j as a search for all', (input) => {
    expect(parseSearch(input)).toEqual({ kind: 'all' });
  });

  it.each([
    ['0f1e', '0f1e'],
    [' 0F1E ', '0f1e'],
    ['hex:0f1e', '0f1e'],
    ['0x0f1e', '0f1e'],
    ['0f-1e 2d', '0f1e2d'],
  ])('takes %j as the first digits of an id', (input, prefix) => {
    expect(parseSearch(input)).toEqual({ kind: 'prefix', prefix });
  });

  it.each([ID, ID.toUpperCase(), `hex:${ID}`, '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'])(
    'takes %s as a whole id',
    (input) => {
      expect(parseSearch(input)).toEqual({ kind: 'id', id: ID });
    },
  );

  it.each([
    ['cafég', 'é'],
    ['<script>alert(1)</script>', '<'],
    ['../etc', '.'],
    ['a&limit=1', '&'],
    ['😀', '😀'],
  ])('says what is wrong with %j', (input, wrong) => {
    const found = parseSearch(input);
    expect(found.kind).toBe('invalid');
    expect(found.kind === 'invalid' && found.reason).toContain(`holds “${wrong}”`);
  });

  it('refuses more digits than an id has', () => {
    expect(parseSearch(`${ID}0`)).toEqual({
      kind: 'invalid',
      reason: '33 digits are too many; an id has 32',
    });
  });

  it('repeats only the beginning of a long wrong input, and cuts no character in two', () => {
    const found = parseSearch('😀'.repeat(1_000));
    expect(found.kind === 'invalid' && found.reason).toContain(`“${'😀'.repeat(40)}…”`);
  });
});
