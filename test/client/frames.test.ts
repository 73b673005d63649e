/** The memory that frames of the client are written into. */
import { decode } from '@msgpack/msgpack';
import { expect, test } from 'vitest';
import { Identity, pingFrame, requestFrame } from '../../src/transport/client/frames.ts';
import { FRAME_HEADER_BYTES } from '../../src/transport/protocol.ts';

const identity = new Identity(new Uint8Array(16).fill(7));
/** A body of so many bytes: nothing but an array of nils. */
const bodyOf = (bytes: number): Uint8Array =>
  Uint8Array.of(0xdd, 0, 0, bytes >>> 8, bytes & 0xff, ...new Array(bytes).fill(0xc0));

test('a frame stays as it was whatever is written after it, short or long', () => {
  const written = Array.from({ length: 400 }, (_, i) => {
    const frame = requestFrame(identity, 1, i + 1, 2, bodyOf((i * 7919) % 40_000));
    return { frame, copy: Buffer.from(frame) };
  });
  for (const [i, { frame, copy }] of written.entries()) {
    expect(frame.equals(copy)).toBe(true);
    const [, , , request, , body] = decode(frame.subarray(FRAME_HEADER_BYTES)) as unknown[];
    expect(request).toBe(i + 1);
    expect(body).toHaveLength((i * 7919) % 40_000);
  }
});

test('a long frame lies by itself, and others go on where the last short one ended', () => {
  const first = pingFrame(1);
  const long = requestFrame(identity, 1, 1, 2, bodyOf(60_000));
  const second = pingFrame(4);
  expect(second.buffer).toBe(first.buffer);
  expect(second.byteOffset).toBe(first.byteOffset + first.byteLength);
  expect(long.buffer).not.toBe(first.buffer);
});
