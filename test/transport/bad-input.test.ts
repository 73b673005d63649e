/**
 * Frames that break the protocol: each ends its connection with the one error that the protocol
 * gives it, exactly, and a neighbour on another connection never notices.
 */
import { encode } from '@msgpack/msgpack';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import {
  CALL,
  CLOSE,
  ECHO,
  ERROR,
  framed,
  HELLO,
  PING,
  PONG,
  PUT,
  RawClient,
  REGISTER,
  REQUEST,
  WELCOME,
} from './raw-client.ts';
import { bytesOf, expectFatal, FRAME_BYTES_MAX, frameOf, ID, nested, setUp } from './setup.ts';

const ZERO = new Uint8Array(16);
const SEVENTEEN = Object.fromEntries([...'abcdefghijklmnopq'].map((name) => [name, 1]));

const MALFORMED: readonly [string, Uint8Array, string?][] = [
  ['no array', framed([0xc0]), 'an array was expected'],
  ['a map', framed([0x80]), 'an array was expected'],
  ['an empty array', framed([0x90]), 'the kind is unknown'],
  ['an unknown kind', frameOf(6, 1), 'the kind is unknown'],
  ['a kind of the server', frameOf(16, 1, {}), 'the kind is unknown'],
  ['a kind above a byte', frameOf(258, ID, 1, 1, ECHO, null), 'the kind is unknown'],
  ['a kind above 32 bits', frameOf(2 ** 32 + 2, ID, 1, 1, ECHO, null)],
  ['a negative kind', frameOf(-1)],
  ['a kind that is a string', frameOf('2', ID, 1, 1, ECHO, null)],
  ['a second hello', frameOf(HELLO, 1, {}), 'hello was said before'],
  ['a request of 5 fields', frameOf(REQUEST, ID, 1, 1, ECHO)],
  ['a request of 7 fields', frameOf(REQUEST, ID, 1, 1, ECHO, null, null)],
  ['a register of 2 fields', frameOf(REGISTER, ID)],
  ['a register of 4 fields', frameOf(REGISTER, ID, {}, 1)],
  ['a close of 2 fields', frameOf(CLOSE, ID)],
  ['a ping of 1 field', frameOf(PING)],
  ['a ping of 3 fields', frameOf(PING, 1, 2), 'ping has 2 fields'],
  ['a call of 4 fields', frameOf(CALL, 1, ID, ECHO)],
  ['fewer fields than it says', framed([0x96, 2, ...bytesOf(ID), 1])],
  ['more bytes than its value', framed([...bytesOf([PING, 1]), 0xc0]), 'ping has one nonce'],
  ['bytes behind a request', framed([...bytesOf([REQUEST, ID, 1, 1, ECHO, null]), 0xc0])],
  ['bytes behind a register', framed([...bytesOf([REGISTER, ID, {}]), 0xc0])],
  ['an id of zeros', frameOf(REQUEST, ZERO, 1, 1, ECHO, null), 'an id must not be all zero'],
  ['an id of 15 bytes', frameOf(REQUEST, ID.slice(1), 1, 1, ECHO, null)],
  ['an id of 17 bytes', frameOf(REGISTER, new Uint8Array(17).fill(1), {})],
  ['an id that is a string', frameOf(REGISTER, '0123456789abcdef', {})],
  ['an id that is nil', frameOf(CLOSE, null, 0)],
  ['a session that is negative', frameOf(REQUEST, ID, -1, 1, ECHO, null)],
  ['a session above 2^53', frameOf(REQUEST, ID, 2 ** 60, 1, ECHO, null)],
  ['a request number with a fraction', frameOf(REQUEST, ID, 1, 1.5, ECHO, null)],
  ['a request number that is a string', frameOf(REQUEST, ID, 1, '1', ECHO, null)],
  ['an operation that is a name', frameOf(REQUEST, ID, 1, 1, 'echo', null)],
  ['a correlation above 32 bits', frameOf(CALL, 2 ** 32, ID, ECHO, null)],
  ['a call to the server by number', frameOf(CALL, 1, null, ECHO, null)],
  ['options that are an array', frameOf(REGISTER, ID, [])],
  ['options that are nil', frameOf(REGISTER, ID, null)],
  ['an option named by a number', framed([...bytesOf([1, ID]).fill(0x93, 0, 1), 0x81, 1, 1])],
  ['a name of an option above 1024 bytes', frameOf(REGISTER, ID, { ['x'.repeat(1025)]: 1 })],
  ['17 options', frameOf(REGISTER, ID, SEVENTEEN)],
  ['the byte c1 in a body', framed([...bytesOf([2, ID, 1, 1, 0]).fill(0x96, 0, 1), 0xc1])],
  ['33 levels', frameOf(PING, nested(33)), 'a value is nested deeper than 32 levels'],
  ['33 levels in a body', frameOf(REQUEST, ID, 1, 1, ECHO, nested(33))],
  ['a count beyond the frame', framed([0x92, PING, 0xdd, 0xff, 0xff, 0xff, 0xff])],
  ['a length beyond the frame', framed([0x92, PING, 0xdb, 0xff, 0xff, 0xff, 0xff])],
];

describe.each(['direct', 'worker'] as const)('a server that runs %s', (run) => {
  const on = setUp(run);

  it.each(MALFORMED)('ends the connection over a frame with %s', async (_, bytes, message) => {
    await expectFatal(on.client, bytes, 'malformed_frame', message);
  });

  it('ends the connection over records of msgpackr, and says what to do', async () => {
    const packr = new Packr({ useRecords: true });
    const body = packr.pack({ a: 1 });
    expect(body[0]).toBe(0xd4);
    const head = bytesOf([REQUEST, ID, on.session, 1, ECHO]).fill(0x96, 0, 1);
    const text = 'msgpackr records are private to that library: encode with useRecords: false';
    await expectFatal(on.client, framed([...head, ...body]), 'malformed_frame', text);
  });

  it('ends the connection over a frame of every length that is cut at any byte', async () => {
    const body = encode([REQUEST, ID, on.session, 1, PUT, { a: [1.5, 'b', new Uint8Array(3)] }]);
    for (let length = 1; length < body.length; length++) {
      const other = await RawClient.greeted(on.server);
      other.raw(framed(body.subarray(0, length)));
      const frames = await other.rest();
      expect(frames.map((f) => f.slice(0, 2))).toEqual([[ERROR, 'malformed_frame']]);
    }
  });

  it('ends the connection over a length of zero, and one that is no number', async () => {
    const text = 'a frame begins with its length, above 0';
    await expectFatal(on.client, Buffer.from([0]), 'malformed_frame', text);
    for (const bytes of [[0xc0], [0xa5, 1], [0xff], [0xca, 0, 0, 0, 1], [0xce, 0, 0, 0, 0]]) {
      on.client = await RawClient.greeted(on.server);
      await expectFatal(on.client, Buffer.from(bytes), 'malformed_frame', text);
    }
  });

  it('ends the connection over a frame above the limit once its length is known', async () => {
    on.client.raw([0xcd, (FRAME_BYTES_MAX + 1) >> 8, (FRAME_BYTES_MAX + 1) & 0xff]);
    const [answer, ...more] = await on.client.rest();
    const text = 'the frame is longer than frame_bytes_max';
    expect([answer, more]).toEqual([[ERROR, 'frame_too_large', text, null, null, null], []]);
  });

  it('takes a frame of exactly the limit', async () => {
    const nonce = 'x'.repeat(FRAME_BYTES_MAX - 5);
    const bytes = frameOf(PING, nonce);
    expect(bytes.length).toBe(5 + FRAME_BYTES_MAX);
    on.client.raw(bytes);
    expect(await on.client.next()).toEqual([PONG, nonce]);
  });

  it('wants a hello before anything else', async () => {
    for (const bytes of [frameOf(PING, 1), frameOf(REGISTER, ID, {}), framed([0x90])]) {
      on.client = await RawClient.open(on.server);
      await expectFatal(on.client, bytes, 'hello_required', 'the first frame must be hello');
    }
  });

  it('speaks version 1 only, and reads a hello strictly', async () => {
    const hellos: [unknown[], string][] = [
      [[HELLO, 2, {}], 'unsupported_version'],
      [[HELLO, 0, {}], 'unsupported_version'],
      [[HELLO, '1', {}], 'malformed_frame'],
      [[HELLO, 1], 'malformed_frame'],
      [[HELLO, 1, []], 'malformed_frame'],
      [[HELLO, 1, {}, 0], 'malformed_frame'],
    ];
    for (const [values, code] of hellos) {
      on.client = await RawClient.open(on.server);
      await expectFatal(on.client, frameOf(...values), code);
    }
  });

  it('takes a hello with a name and options that it does not know', async () => {
    on.client = await RawClient.open(on.server);
    on.client.send(HELLO, 1, { client: 'test', token: 'x', later: [1, { a: 2 }] });
    expect((await on.client.next()).slice(0, 2)).toEqual([WELCOME, 1]);
  });
});
