/**
 * Frames to the server: a stream of bytes into a real connection, with its frame buffer, cursor,
 * message reader and register reader, in one chunk, byte by byte, and split at random with a router
 * that is busy now and then. What comes out must be what the model of the protocol says, each time.
 */
import { crc32 } from 'node:zlib';
import { Random } from '../../crash/random.ts';
import { Fed, LIMITS } from '../frame-connection.ts';
import { expected, NO_HELLO } from '../frame-model.ts';
import {
  arrayBytes,
  binBytes,
  floatBytes,
  integerBytes,
  mapBytes,
  nestedBytes,
  randomInteger,
  stringBytes,
  valueBytes,
} from '../grammar.ts';
import { INPUT_BYTES_MAX, type Outcome, same, type Target } from '../target.ts';

const ID = Uint8Array.from({ length: 16 }, (_, i) => i * 7 + 1);
const OPTIONS = ['ttl_ms', 'rate', 'scope', 'capabilities', 'data'];
const SPLITS = 3;

const token = (text: string): Uint8Array => Buffer.from([0xa0 | text.length, ...Buffer.from(text)]);

export const frames: Target = {
  name: 'frames',
  sources: [
    '/transport/connection.ts',
    '/transport/cursor.ts',
    '/transport/frame-buffer.ts',
    '/transport/message-reader.ts',
    '/transport/register-reader.ts',
  ],
  tokens: [
    Uint8Array.from([4, 0x93, 0, 1, 0x80]),
    Uint8Array.from([0xc1]),
    Uint8Array.from([0xc4, 16, ...ID]),
    Uint8Array.from([0xcf, 0, 0, 0, 0, 0, 0, 0, 1]),
    Uint8Array.from([0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
    ...OPTIONS.map(token),
    ...['connection', 'send', 'purge'].map(token),
  ],
  share: 1,
  generate,
  run,
};

/** Some frames after a hello, most of them right. */
function generate(random: Random): Uint8Array {
  const stream: number[] = [];
  if (random.chance(95)) stream.push(...framed(helloOf(random), random));
  const count = 1 + random.below(4);
  for (let i = 0; i < count; i++) stream.push(...framed(frameOf(random), random));
  return Uint8Array.from(stream);
}

function framed(body: readonly number[], random: Random): number[] {
  return [...integerBytes(BigInt(body.length), random), ...body];
}

function helloOf(random: Random): number[] {
  const options = random.chance(80) ? [] : [[stringBytes('client', random), valueBytes(random, 2)]];
  return arrayBytes([number(0, random), number(1, random), mapBytes(options, random)], random);
}

/** A number in any width, as a float now and then. */
function number(value: number, random: Random): number[] {
  return random.chance(90) ? integerBytes(BigInt(value), random) : floatBytes(value, random);
}

function anyNumber(random: Random): number[] {
  if (random.chance(5)) return valueBytes(random, 1);
  const value = randomInteger(random);
  return integerBytes(value < 0n && random.chance(90) ? -value : value, random);
}

function idBytes(random: Random): number[] {
  return random.chance(95) ? binBytes(ID, random) : valueBytes(random, 1);
}

/** A session number as the server gives them, or another. */
function sessionBytes(random: Random): number[] {
  if (random.chance(50)) return [0xcf, 0, random.below(40), 1, 2, 3, 4, 5, 6];
  return anyNumber(random);
}

function frameOf(random: Random): number[] {
  const kind = random.pick([1, 1, 1, 2, 2, 3, 4, 5, 5, 0, 6]);
  const id = idBytes(random);
  const head = number(kind, random);
  if (random.chance(20)) return usualRequest(random);
  if (random.chance(2)) return arrayBytes([number(4, random), [0x91, 0xc1]], random);
  const body = (): number[] =>
    random.chance(10) ? nestedBytes(random, 30 + random.below(5)) : valueBytes(random);
  switch (kind) {
    case 1:
      return arrayBytes([head, id, optionBytes(random)], random);
    case 2: {
      const fields = [sessionBytes(random), anyNumber(random), anyNumber(random), body()];
      return arrayBytes([head, id, ...fields], random);
    }
    case 3:
      return arrayBytes([head, id, sessionBytes(random)], random);
    case 4:
      return arrayBytes([head, body()], random);
    case 5: {
      const isOwn = random.chance(60);
      const operation = isOwn ? anyNumber(random) : stringBytes('list', random);
      return arrayBytes([head, anyNumber(random), isOwn ? id : [0xc0], operation, body()], random);
    }
    default:
      return helloOf(random);
  }
}

/** A request in the widths of nearly every client, which are read in one piece. */
function usualRequest(random: Random): number[] {
  const session = [0xcf, 0, random.pick([0, 1, 0x1f, 0x20, 0xff]), 0xff, 2, 3, 4, 5, 6];
  const request = random.chance(50) ? [random.below(0x80)] : [0xce, random.below(256), 0, 0, 7];
  const length = random.below(random.pick([4, 40, 220]));
  const body = [0xc4, length, ...new Array<number>(length).fill(random.below(256))];
  // Sometimes a byte more or less than it says.
  if (random.chance(10)) body.push(0xc0);
  if (random.chance(5)) body.pop();
  return [0x96, 2, 0xc4, 16, ...ID, ...session, ...request, random.below(0x82), ...body];
}

function optionBytes(random: Random): number[] {
  const names = OPTIONS.filter(() => random.chance(40));
  if (random.chance(5)) names.push('other');
  return mapBytes(
    names.map((name) => [stringBytes(name, random), optionValue(name, random)]),
    random,
  );
}

function optionValue(name: string, random: Random): number[] {
  if (random.chance(10)) return [0xc0];
  if (random.chance(10)) return valueBytes(random, 2);
  switch (name) {
    case 'rate':
      return arrayBytes([anyNumber(random), anyNumber(random)], random);
    case 'scope':
      return stringBytes('connection', random);
    case 'capabilities': {
      const names = ['send', 'other', 'purge', 'x'.repeat(50)].filter(() => random.chance(50));
      return arrayBytes(
        names.map((one) => stringBytes(one, random)),
        random,
      );
    }
    case 'data':
      if (random.chance(50))
        return [0x81, 0xa1, 0x61, ...stringBytes('x'.repeat(random.below(44)), random)];
      return mapBytes([[stringBytes('a', random), valueBytes(random, 1)]], random);
    default:
      return anyNumber(random);
  }
}

function run(input: Uint8Array): Outcome {
  const events = expected(input, LIMITS);
  // A handshake of TLS is refused as soon as it is seen, if that is before its first frame's end.
  const isCut = input[0] === 0x16 && input[1] === 0x03 && events.length === 0;
  const check = (sizes: readonly number[], into: Fed): void => {
    const found = fed(input, sizes, into);
    if (isCut && found.join() === 'fatal hello_required') return;
    const isEither = events.at(-1) === `fatal ${NO_HELLO}` && found.length === events.length;
    if (isEither && NO_HELLO.includes(found.at(-1)?.slice(6) ?? '?'))
      found.splice(-1, 1, events.at(-1)!);
    same(found.join('\n    '), events.join('\n    '), `in chunks of ${sizes}`);
  };
  check([INPUT_BYTES_MAX], new Fed(0xc0));
  check([1], new Fed(0x91));
  const random = new Random(crc32(input));
  for (let i = 0; i < SPLITS; i++) {
    const sizes = Array.from({ length: 5 }, () => random.below(random.pick([4, 40, 400])) + 1);
    check(sizes, new Fed(0, random));
  }
  const isGood = events.length > 1 && !events.some((event) => /^(?:fatal|refused)/.test(event));
  return isGood ? 'accepted' : 'refused';
}

function fed(input: Uint8Array, sizes: readonly number[], into: Fed): string[] {
  for (let at = 0, i = 0; at < input.length; i++) {
    const size = sizes[i % sizes.length];
    into.chunk(input.subarray(at, at + size));
    at += size;
  }
  return into.end();
}
