/**
 * What the load generator sends to servers that are not ours, and what it makes of their answers,
 * with bytes recorded from the servers.
 */
import { decode, decodeMulti } from '@msgpack/msgpack';
import { describe, expect, it } from 'vitest';
import { MemcachedLanes } from '../../bench/load/memcached-lanes.ts';
import type { Lanes } from '../../bench/load/protocol.ts';
import { RedisLanes } from '../../bench/load/redis-lanes.ts';
import { TarantoolLanes } from '../../bench/load/tarantool-lanes.ts';

/** Tarantool 2.6's reply to a REPLACE of ['kkkk…', 'vvvv…'] with sync 7. */
const TARANTOOL_OK = Buffer.from(
  `ce000000728300ce0000000001cf000000000000000705ce000000508130dd0000000192b0${'6b'.repeat(16)}` +
    `d940${'76'.repeat(64)}`,
  'hex',
);
/** Its reply to one into a space that does not exist, its length made that of the message alone. */
const TARANTOOL_ERROR = Buffer.from(
  'ce000000348300ce0000802401cf000000000000000705ce000000508131ba' +
    Buffer.from("Space '513' does not exist").toString('hex'),
  'hex',
);

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The second of three frames, which is how a patch at a wrong place would show. */
function patched(lanes: Lanes, lane: number): Buffer {
  const frames = lanes.skeleton(3);
  const before = Buffer.from(frames);
  lanes.patch(lanes.frameBytes, lane);
  const { frameBytes } = lanes;
  expect(frames.subarray(0, frameBytes)).toEqual(before.subarray(0, frameBytes));
  expect(frames.subarray(2 * frameBytes)).toEqual(before.subarray(2 * frameBytes));
  return frames.subarray(frameBytes, 2 * frameBytes);
}

function value(request: number, ...words: number[]): Buffer {
  const bytes = Buffer.alloc(64, 'x');
  for (const [i, word] of [request, ...words].entries()) bytes.writeUInt32BE(word, i * 4);
  return bytes;
}

describe('lanes of memcached', () => {
  it('write meta sets whose keys are printable and differ by connection and lane', () => {
    const frame = patched(new MemcachedLanes(0x2a, 300), 258);
    const [head, data] = [frame.subarray(0, 24), frame.subarray(24)];
    expect(head.toString('latin1')).toBe('ms 002akkkkkkkk0102 64\r\n');
    expect(data).toEqual(Buffer.concat([value(1, 258), Buffer.from('\r\n')]));
  });

  it('refuse more lanes than four digits can tell apart', () => {
    expect(() => new MemcachedLanes(0, 0x1_0001)).toThrow('four hexadecimal digits');
  });

  it('take answers in the order of the requests, over and over', () => {
    const lanes = new MemcachedLanes(0, 2);
    const bytes = Buffer.from('HD\r\nHD\r\nHD\r\nHD\r');
    const seen: number[] = [];
    let at = 0;
    for (let next = 4; next > 0; ) {
      next = lanes.scan(viewOf(bytes), at, bytes.byteLength);
      if (next > 0) {
        at = next;
        seen.push(lanes.lane);
      }
    }
    expect({ seen, at }).toEqual({ seen: [0, 1, 0], at: 12 });
  });

  it('stop at anything but a stored value', () => {
    for (const answer of ['NS\r\n', 'SERVER_ERROR out of memory\r\n', 'ERROR\r\n']) {
      const bytes = Buffer.from(answer);
      const scan = (): number => new MemcachedLanes(0, 1).scan(viewOf(bytes), 0, bytes.byteLength);
      expect(scan).toThrow(JSON.stringify(answer));
    }
  });
});

describe('lanes of Tarantool', () => {
  it('write a REPLACE whose number is its lane', () => {
    const frame = patched(new TarantoolLanes(3, 70_000), 69_999);
    const [length, header, body] = [...decodeMulti(frame)] as [number, object, unknown];
    expect(length).toBe(frame.byteLength - 5);
    expect(header).toEqual({ 0: 3, 1: 69_999 });
    expect(body).toMatchObject({ 16: 512 });
    const bytes = frame.subarray(-16 - 2 - 64);
    expect([...bytes.subarray(0, 16)]).toEqual([
      ...Buffer.from([0, 0, 0, 3]),
      ...Buffer.from('kkkkkkkk'),
      ...Buffer.from([0, 1, 0x11, 0x6f]),
    ]);
    expect(bytes.subarray(18)).toEqual(value(1));
    // Read again with texts in the places of key and value, the tuple is one of two strings.
    frame.fill('a', frame.byteLength - 82, frame.byteLength - 66).fill('b', frame.byteLength - 64);
    const tuple = (decode(frame.subarray(5 + 9)) as Record<number, unknown>)[33];
    expect(tuple).toEqual(['a'.repeat(16), 'b'.repeat(64)]);
  });

  it('take the lane from the answer', () => {
    const lanes = new TarantoolLanes(0, 8);
    const two = Buffer.concat([TARANTOOL_OK, TARANTOOL_OK]);
    two.writeUInt32BE(5, TARANTOOL_OK.byteLength + 18);
    const first = lanes.scan(viewOf(two), 0, two.byteLength);
    expect([first, lanes.lane]).toEqual([TARANTOOL_OK.byteLength, 7]);
    const second = lanes.scan(viewOf(two), first, two.byteLength);
    expect([second, lanes.lane]).toEqual([two.byteLength, 5]);
  });

  it('wait for the rest of an answer that was split, wherever it was', () => {
    const lanes = new TarantoolLanes(0, 8);
    for (let end = 0; end < TARANTOOL_OK.byteLength; end++) {
      expect(lanes.scan(viewOf(TARANTOOL_OK), 0, end)).toBe(-1);
    }
  });

  it('stop at an error', () => {
    const lanes = new TarantoolLanes(0, 8);
    const scan = (): number => lanes.scan(viewOf(TARANTOOL_ERROR), 0, TARANTOOL_ERROR.byteLength);
    expect(scan).toThrow("Space '513' does not exist");
  });
});

describe('lanes of Redis', () => {
  it('write SET with a key of their own', () => {
    const frame = patched(new RedisLanes(1, 4), 2);
    const head = Buffer.from('*3\r\n$3\r\nSET\r\n$16\r\n');
    const key = Buffer.concat([
      Buffer.from([0, 0, 0, 1]),
      Buffer.from('kkkkkkkk'),
      Buffer.from([0, 0, 0, 2]),
    ]);
    const tail = [Buffer.from('\r\n$64\r\n'), value(1, 2), Buffer.from('\r\n')];
    expect(frame).toEqual(Buffer.concat([head, key, ...tail]));
  });

  it('stop at anything but OK', () => {
    const bytes = Buffer.from('-OOM command not allowed\r\n');
    expect(() => new RedisLanes(0, 1).scan(viewOf(bytes), 0, bytes.byteLength)).toThrow('-OOM');
  });
});
