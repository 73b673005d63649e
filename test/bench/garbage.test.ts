import { expect, it } from 'vitest';
import { parseCounted } from '../../bench/garbage/run.ts';

it('finds the outcome among what V8 prints', () => {
  const counted = { collections: ['Scavenge'], bytes: 5, deoptimized: [], seconds: 1 };
  const output = `[marking dependent code]\n${JSON.stringify(counted)}\n) (opt id 4)\n`;
  expect(parseCounted(output)).toEqual(counted);
});

it('shows what was printed instead of an outcome', () => {
  expect(() => parseCounted('Error: no such flag')).toThrow(/no such flag/);
});
