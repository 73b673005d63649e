/** The inputs that are kept do what they should, and some that a generator makes besides. */
import { expect, test } from 'vitest';
import { Random } from '../crash/random.ts';
import { readCorpus } from './corpus.ts';
import { INPUT_BYTES_MAX } from './target.ts';
import { TARGETS } from './targets/index.ts';

const GENERATED = 50;

test.each(Object.keys(TARGETS))(
  '%s: every kept input is taken or refused as it should',
  async (name) => {
    const target = await TARGETS[name]();
    const kept = readCorpus(name);
    expect(target.name).toBe(name);
    expect(kept.length).toBeGreaterThan(4);
    const random = new Random(Number(process.env.FUZZ_SEED ?? 7377));
    const made = Array.from({ length: GENERATED }, () => target.generate(random));
    const all = [...kept.map(({ input }) => input), ...made];
    const outcomes = new Set<string>();
    for (const [index, input] of all.entries()) {
      const bytes = input.subarray(0, INPUT_BYTES_MAX);
      try {
        outcomes.add(target.run(bytes));
      } catch (error) {
        const hex = Buffer.from(bytes).toString('hex');
        const which = kept[index]?.name ?? `generated from seed ${random.seed}`;
        throw new Error(`${which}: npm run fuzz -- --target ${name} --input "${hex}"`, {
          cause: error,
        });
      }
    }
    expect([...outcomes].sort()).toEqual(['accepted', 'refused']);
  },
);
