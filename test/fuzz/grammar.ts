/**
 * Values of msgpack made at random, written byte by byte in every width that holds them, and as
 * plain values for other encoders.
 */
import type { Random } from '../crash/random.ts';

const NAMES = ['', 'a', 'data', 'ttl_ms', 'rate', 'ä', '__proto__', 'constructor', 'x'.repeat(40)];
const INTEGERS = [0, 1, 31, 32, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2147483647];
const BIG = [2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n];
const FLOATS = [0.5, -0.5, -0, 1, 1e300, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 3.4e38];
const EXT_TYPES = [0, 1, 0x7f, 0xff, 0x72, 0x65, 0x69, 0x73, 0x74, 0x78];

/** Big-endian bytes of a number, in two's complement. */
export function bigEndian(value: bigint | number, width: number): number[] {
  const bits = BigInt.asUintN(width * 8, BigInt(value));
  return Array.from({ length: width }, (_, i) => {
    return Number((bits >> BigInt((width - 1 - i) * 8)) & 0xffn);
  });
}

/** An integer in a width that holds it, often not the shortest. */
export function integerBytes(value: bigint, random: Random): number[] {
  const forms: number[][] = [];
  if (value >= 0n && value <= 0x7fn) forms.push([Number(value)]);
  if (value < 0n && value >= -32n) forms.push([Number(256n + value)]);
  for (let i = 0; i < 4; i++) {
    const width = 1 << i;
    const bits = BigInt(width * 8);
    if (value >= 0n && value < 1n << bits) forms.push([0xcc + i, ...bigEndian(value, width)]);
    const half = 1n << (bits - 1n);
    if (value >= -half && value < half) forms.push([0xd0 + i, ...bigEndian(value, width)]);
  }
  return random.pick(forms);
}

export function floatBytes(value: number, random: Random): number[] {
  const view = new DataView(new ArrayBuffer(8));
  const width = Math.fround(value) === value && random.chance(50) ? 4 : 8;
  if (width === 4) view.setFloat32(0, value);
  else view.setFloat64(0, value);
  return [width === 4 ? 0xca : 0xcb, ...new Uint8Array(view.buffer, 0, width)];
}

/** A head that counts: the short form up to `short`, or one of the three wide ones. */
function head(count: number, short: number, max: number, wide: readonly number[], random: Random) {
  const forms: number[][] = count <= max && short > 0 ? [[short | count]] : [];
  for (const [i, first] of wide.entries()) {
    const width = wide.length === 3 ? 1 << i : 2 << i;
    if (count < 2 ** (width * 8)) forms.push([first, ...bigEndian(count, width)]);
  }
  return random.pick(forms);
}

export function stringBytes(text: string, random: Random): number[] {
  const bytes = Buffer.from(text);
  return [...head(bytes.length, 0xa0, 31, [0xd9, 0xda, 0xdb], random), ...bytes];
}

export function binBytes(bytes: Uint8Array, random: Random): number[] {
  return [...head(bytes.length, 0, -1, [0xc4, 0xc5, 0xc6], random), ...bytes];
}

export function arrayBytes(items: readonly number[][], random: Random): number[] {
  return [...head(items.length, 0x90, 15, [0xdc, 0xdd], random), ...items.flat()];
}

export function mapBytes(entries: readonly (readonly number[][])[], random: Random): number[] {
  return [...head(entries.length, 0x80, 15, [0xde, 0xdf], random), ...entries.flat(2)];
}

function extensionBytes(random: Random): number[] {
  const type = random.pick(EXT_TYPES);
  const length = random.pick([0, 1, 2, 3, 4, 8, 12, 16, 17]);
  const content = Array.from({ length }, () => random.below(256));
  const fixed = [1, 2, 4, 8, 16].indexOf(length);
  if (fixed >= 0 && random.chance(70)) return [0xd4 + fixed, type, ...content];
  return [...head(length, 0, -1, [0xc7, 0xc8, 0xc9], random), type, ...content];
}

export function randomInteger(random: Random): bigint {
  const value = random.chance(70) ? BigInt(random.pick(INTEGERS)) : random.pick(BIG);
  return random.chance(30) ? -value - BigInt(random.below(2)) : value;
}

/** A value of any kind, in any widths. */
export function valueBytes(random: Random, levels = 4): number[] {
  const kind = random.below(levels > 0 ? 12 : 8);
  switch (kind) {
    case 0:
      return [random.pick([0xc0, 0xc2, 0xc3])];
    case 1:
    case 2:
      return integerBytes(randomInteger(random), random);
    case 3:
      return floatBytes(random.pick(FLOATS), random);
    case 4:
    case 5:
      return stringBytes(random.pick(NAMES), random);
    case 6: {
      const length = random.pick([0, 1, 16, 31, 32]);
      return binBytes(
        Uint8Array.from({ length }, () => random.below(256)),
        random,
      );
    }
    case 7:
      return extensionBytes(random);
    case 8:
    case 9:
      return arrayBytes(
        many(random, () => valueBytes(random, levels - 1)),
        random,
      );
    case 10:
      return mapBytes(
        many(random, () => [valueBytes(random, levels - 1), [0xc0]]),
        random,
      );
    default:
      return mapBytes(
        many(random, () => entryBytes(random, levels)),
        random,
      );
  }
}

function entryBytes(random: Random, levels: number): number[][] {
  return [stringBytes(random.pick(NAMES), random), valueBytes(random, levels - 1)];
}

function many<T>(random: Random, make: () => T): T[] {
  const length = random.chance(90) ? random.below(5) : random.below(24);
  return Array.from({ length }, make);
}

/** Containers within containers. */
export function nestedBytes(random: Random, levels: number): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < levels; i++) {
    bytes.push(...random.pick([[0x91], [0x81, 0x01], [0xdc, 0, 1], [0xdf, 0, 0, 0, 1, 0xa0]]));
  }
  return [...bytes, 0xc0];
}

/** A plain value of JavaScript, for encoders. */
export function plainValue(random: Random, levels = 3): unknown {
  switch (random.below(levels > 0 ? 9 : 6)) {
    case 0:
      return random.pick([null, true, false]);
    case 1:
      return Number(BigInt.asIntN(53, randomInteger(random)));
    case 2:
      return random.pick(FLOATS);
    case 3:
    case 4:
      return random.pick(NAMES);
    case 5:
      return Uint8Array.from({ length: random.below(40) }, () => random.below(256));
    case 6:
    case 7:
      return many(random, () => plainValue(random, levels - 1));
    default:
      return Object.fromEntries(
        many(random, () => [random.pick(NAMES.filter((name) => name !== '__proto__')), null]).map(
          ([name]) => [name, plainValue(random, levels - 1)],
        ),
      );
  }
}
