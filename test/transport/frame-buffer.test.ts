/**
 * A stream of frames comes out the same however it was cut into chunks, in every width of a
 * frame's length; and a length that is not allowed is found before anything is kept of its frame.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameBuffer, FrameState } from '../../src/transport/frame-buffer.ts';
import { runs } from '../core/helpers.ts';

const FRAME_BYTES_MAX = 700;
const STATES = ['ready', 'more', 'too large', 'malformed'];

/** First bytes of a length prefix and the bytes that follow each. */
const WIDTHS = [
  [0xcc, 1],
  [0xcd, 2],
  [0xce, 4],
  [0xcf, 8],
  [0xd0, 1],
  [0xd1, 2],
  [0xd2, 4],
  [0xd3, 8],
] as const;

function prefix(first: number, width: number, length: bigint): number[] {
  const bytes = [first];
  for (let i = width - 1; i >= 0; i--) bytes.push(Number((length >> BigInt(i * 8)) & 0xffn));
  return bytes;
}

/** Every prefix that can say a length. */
function prefixesOf(length: number): number[][] {
  const fitting = WIDTHS.filter(([first, width]) => {
    const bits = BigInt(width * 8 - (first >= 0xd0 ? 1 : 0));
    return BigInt(length) < 1n << bits;
  });
  const prefixes = fitting.map(([first, width]) => prefix(first, width, BigInt(length)));
  return length <= 0x7f ? [[length], ...prefixes] : prefixes;
}

const bodyOf = (length: number): number[] =>
  Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);

/** The bytes of frames, each behind every prefix that it can have, and their bodies. */
function streamOf(lengths: readonly number[]): { bytes: Uint8Array; bodies: number[][] } {
  const bytes: number[] = [];
  const bodies: number[][] = [];
  for (const length of lengths) {
    for (const head of prefixesOf(length)) {
      bytes.push(...head, ...bodyOf(length));
      bodies.push(bodyOf(length));
    }
  }
  return { bytes: Uint8Array.from(bytes), bodies };
}

/** Whole memory, seen both ways. */
function feed(frames: FrameBuffer, chunk: Uint8Array): void {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  frames.feed(chunk, view, chunk.byteLength);
}

interface Out {
  readonly bodies: number[][];
  readonly last: string;
}

/** Feeds chunks until the stream ends or is bad. The view must show what the bytes show. */
function read(chunks: readonly Uint8Array[], max = FRAME_BYTES_MAX): Out {
  const frames = new FrameBuffer(max);
  const bodies: number[][] = [];
  let state = FrameState.MORE;
  for (const chunk of chunks) {
    // In the middle of other memory, as the runtime's pooled buffers are.
    const memory = new Uint8Array(chunk.length + 6).fill(0xc1);
    memory.set(chunk, 3);
    feed(frames, memory.subarray(3, 3 + chunk.length));
    for (state = frames.next(); state === FrameState.READY; state = frames.next()) {
      bodies.push([...frames.bytes.subarray(frames.start, frames.end)]);
      const seen = frames.view.getUint8(frames.start);
      if (seen !== frames.bytes[frames.start]) throw new Error('the view shows other bytes');
    }
    if (state !== FrameState.MORE) break;
    expect(frames.waiting).toBe(0);
  }
  return { bodies, last: STATES[state] };
}

const byteByByte = (bytes: Uint8Array): Uint8Array[] =>
  Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));

describe('a stream of frames', () => {
  const { bytes, bodies } = streamOf([1, 5, 128]);

  it('comes out whole from one chunk, without being copied', () => {
    expect(read([bytes])).toEqual({ bodies, last: 'more' });
    const frames = new FrameBuffer(FRAME_BYTES_MAX);
    feed(frames, bytes);
    while (frames.next() === FrameState.READY) expect(frames.bytes).toBe(bytes);
  });

  it('comes out the same when cut in two at any point', () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const out = read([bytes.subarray(0, cut), bytes.subarray(cut)]);
      expect(out.last).toBe('more');
      if (out.bodies.join('|') !== bodies.join('|'))
        expect(out.bodies, `at ${cut}`).toEqual(bodies);
    }
  });

  it('comes out the same one byte at a time, with empty chunks between', () => {
    expect(read(byteByByte(bytes))).toEqual({ bodies, last: 'more' });
    const empty = new Uint8Array(0);
    const chunks = byteByByte(bytes).flatMap((chunk) => [empty, chunk]);
    expect(read(chunks)).toEqual({ bodies, last: 'more' });
  });

  it('comes out the same when each of three cuts lies anywhere in a short stream', () => {
    const short = streamOf([1, 3]);
    const size = short.bytes.length;
    for (let a = 0; a <= size; a += 1) {
      for (let b = a; b <= size; b += 1) {
        const chunks = [[0, a] as const, [a, b] as const, [b, size] as const];
        const out = read(chunks.map(([from, to]) => short.bytes.subarray(from, to)));
        expect(out).toEqual({ bodies: short.bodies, last: 'more' });
      }
    }
  });

  it('comes out the same from chunks of random sizes', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: FRAME_BYTES_MAX }), { maxLength: 6 });
    const cuts = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(lengths, cuts, (list, sizes) => {
        const stream = streamOf(list);
        const chunks: Uint8Array[] = [];
        for (let at = 0, i = 0; at < stream.bytes.length; i++) {
          const size = sizes[i % sizes.length];
          chunks.push(stream.bytes.subarray(at, at + size));
          at += size;
        }
        expect(read(chunks).bodies).toEqual(stream.bodies);
      }),
      runs(150),
    );
  });
});

describe('a frame that is split', () => {
  it('is kept in a buffer of exactly its size', () => {
    for (const head of prefixesOf(100)) {
      const frames = new FrameBuffer(FRAME_BYTES_MAX);
      feed(frames, Uint8Array.from([...head, ...bodyOf(100).slice(0, 30)]));
      expect(frames.next()).toBe(FrameState.MORE);
      feed(frames, Uint8Array.from([...bodyOf(100).slice(30), 0x01]));
      expect(frames.next()).toBe(FrameState.READY);
      expect([frames.start, frames.end, frames.bytes.byteLength]).toEqual([0, 100, 100]);
      expect(frames.bytes.buffer.byteLength).toBe(100);
      expect(frames.waiting).toBe(1);
    }
  });

  it('stays as it was handed out while the next chunk is read', () => {
    const frames = new FrameBuffer(FRAME_BYTES_MAX);
    feed(frames, Uint8Array.from([3, 1]));
    frames.next();
    feed(frames, Uint8Array.from([2, 3, 2, 8]));
    frames.next();
    const first = frames.bytes;
    expect(frames.next()).toBe(FrameState.MORE);
    feed(frames, Uint8Array.from([9]));
    expect(frames.next()).toBe(FrameState.READY);
    expect([[...first], [...frames.bytes]]).toEqual([
      [1, 2, 3],
      [8, 9],
    ]);
  });
});

/** What a prefix comes to, in one chunk and one byte at a time, with nothing of its body. */
function verdictOf(head: readonly number[], max = FRAME_BYTES_MAX): string {
  const bytes = Uint8Array.from(head);
  const whole = read([bytes], max).last;
  expect(read(byteByByte(bytes), max).last).toBe(whole);
  return whole;
}

describe('a length', () => {
  it('at the limit is taken and one above it is too large, before any of the body came', () => {
    for (const max of [100, FRAME_BYTES_MAX, 70_000]) {
      for (const head of prefixesOf(max)) expect(verdictOf(head, max)).toBe('more');
      for (const head of prefixesOf(max + 1)) expect(verdictOf(head, max)).toBe('too large');
    }
  });

  it('above 32 bits is too large', () => {
    for (const length of [2n ** 32n, 2n ** 32n + 5n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 64n - 1n]) {
      expect(verdictOf(prefix(0xcf, 8, length))).toBe('too large');
      if (length < 2n ** 63n) expect(verdictOf(prefix(0xd3, 8, length))).toBe('too large');
    }
  });

  it('of zero is malformed in every width', () => {
    for (const head of prefixesOf(0)) expect(verdictOf(head)).toBe('malformed');
  });

  it('below zero is malformed in every width', () => {
    for (const [first, width] of WIDTHS.slice(4)) {
      for (const length of [-1n, -5n, -(1n << BigInt(width * 8 - 1))]) {
        const head = prefix(first, width, length);
        expect(verdictOf(head), `${first.toString(16)} ${length}`).toBe('malformed');
      }
    }
  });

  it('that is no integer is malformed at its first byte', () => {
    for (let first = 0x80; first <= 0xff; first++) {
      if (WIDTHS.some(([known]) => known === first)) continue;
      expect(verdictOf([first])).toBe('malformed');
    }
  });

  it('that is bad behind good frames leaves those to be read first', () => {
    const good = streamOf([4, 9]);
    for (const [bad, last] of [
      [[0xce, 0x7f, 0, 0, 0], 'too large'],
      [[0xa1, 0x61], 'malformed'],
      [[0x00], 'malformed'],
    ] as const) {
      const bytes = Uint8Array.from([...good.bytes, ...bad]);
      expect(read([bytes])).toEqual({ bodies: good.bodies, last });
      expect(read(byteByByte(bytes))).toEqual({ bodies: good.bodies, last });
    }
  });
});
