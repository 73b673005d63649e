/** Values that somebody may pass as an option, most of them wrong, as an input chooses. */
import type { Choices } from './choices.ts';

class Own {
  readonly field = 1;
}

const NUMBERS = [
  0,
  1,
  -1,
  0.5,
  -0,
  2,
  16,
  31,
  100,
  1024,
  5000,
  65535,
  65536,
  1e6,
  2 ** 24,
  2 ** 30,
  2 ** 31 - 1,
  2 ** 32 - 1,
  2 ** 53,
  1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.MIN_VALUE,
];

const TEXTS = [
  '',
  'x',
  '5',
  'evict',
  'reject',
  'auto',
  'direct',
  'commit',
  'off',
  'wait',
  'connection',
  'never',
  'data:text/javascript,',
  '\0',
  '\ud800',
  'ä'.repeat(600),
  'x'.repeat(2000),
  '0123456789abcdef0123456789ABCDEF',
  '0'.repeat(32),
  '__proto__',
];

const OTHERS: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => false,
  () => 5n,
  () => 2n ** 64n,
  () => -(2n ** 63n),
  () => Symbol('symbol'),
  () => () => 0.5,
  () => new Date(0),
  () => new Date(Number.NaN),
  () => new Own(),
  () => Object.create(null),
  () => ({ constructor: null }),
  () => ({ constructor: { name: Symbol('name') } }),
  () => ({ constructor: { name: Object.create(null) } }),
  () => new URL('file:///service.js'),
  () => new Uint8Array(16).fill(7),
  () => new Uint8Array(16),
  () => new ArrayBuffer(8),
  () => new SharedArrayBuffer(8),
  () => new DataView(new ArrayBuffer(8)),
  () => new Float32Array(2),
  () => Buffer.from('secret'),
  () => Promise.resolve(1),
  () => /expression/,
  () => new Error('an error'),
  () => new Proxy({}, {}),
  () => Object.freeze([1, 2]),
  () => new Array(3),
  () => ['x', 'auto'],
  () => new WeakMap(),
  () => AbortSignal.abort(),
];

const KEYS = ['perSecond', 'burst', 'intervalMs', 'a', 'constructor', 'then', '__proto__', 'name'];

export function anyValue(choices: Choices, levels = 3): unknown {
  const kind = choices.below(levels > 0 ? 10 : 6);
  if (kind < 3) return choices.pick(NUMBERS);
  if (kind < 5) return choices.pick(TEXTS);
  if (kind === 5) return choices.pick(OTHERS)();
  const count = choices.below(8) === 7 ? 40 : choices.below(4);
  const items = Array.from({ length: count }, () => anyValue(choices, levels - 1));
  if (kind === 6) return items;
  if (kind === 7) return new Set(items);
  const entries = items.map((item) => [choices.pick(KEYS), item] as const);
  return kind === 8 ? new Map<unknown, unknown>(entries) : Object.fromEntries(entries);
}

const namesOf = (length: number): string[] => Array.from({ length }, (_, i) => `name ${i}`);

/** An object with some of these options. */
export function anyOptions(choices: Choices, names: readonly string[]): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  const count = choices.below(4);
  for (let i = 0; i < count; i++) {
    const name = choices.pick(names);
    const isList = name === 'capabilities' && choices.below(2) === 1;
    options[name] = isList ? namesOf(choices.below(40)) : anyValue(choices);
  }
  return options;
}
