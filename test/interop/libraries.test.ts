/** Other people's msgpack: what two libraries write is accepted, and both read what comes back. */
import { decode, encode } from '@msgpack/msgpack';
import { Packr, unpack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningServer, serve } from '../../dist/serve.js';
import { framed, RawConnection, unframed } from './raw-connection.ts';

const ID = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const ECHO = 0;
const PUT = 2;
const LARGE = 2 ** 40;

let server: RunningServer;
beforeAll(async () => {
  server = await serve({ port: 0, shards: 0, sessionsAfter: 0 });
});
afterAll(() => server.stop());

/** Encoders by the name of what they do. */
const plain = new Packr({ useRecords: false });
const ENCODERS: Readonly<Record<string, (value: unknown) => Uint8Array>> = {
  '@msgpack/msgpack': (value) => encode(value),
  '@msgpack/msgpack with every number as a float': (value) =>
    encode(value, { forceIntegerToFloat: true }),
  'msgpackr without records': (value) => new Uint8Array(plain.pack(value)),
};

/** What both libraries make of the next frame; they must agree. */
async function receive(connection: RawConnection): Promise<unknown> {
  const frame = await connection.next();
  if (frame === undefined) return 'closed';
  const body = unframed(frame);
  const value = decode(body);
  expect(plainly(unpack(body))).toEqual(value);
  return value;
}

/** The code of the next frame, an error. */
async function codeOf(connection: RawConnection): Promise<unknown> {
  const [kind, code] = (await receive(connection)) as unknown[];
  return kind === 22 ? code : `kind ${kind}`;
}

/** The same value without what msgpackr does differently: Buffers, and BigInts for 64 bits. */
function plainly(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plainly);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainly(item)]));
}

/** A connection that has said hello and has a new session, and that session's number. */
async function register(pack: (value: unknown) => Uint8Array): Promise<[RawConnection, number]> {
  const connection = await RawConnection.open(server.address.port);
  connection.send(framed(pack([0, 1, { client: 'interop' }])), framed(pack([3, ID, 0])));
  expect(await receive(connection)).toMatchObject([
    16,
    1,
    { operations: { echo: ECHO, put: PUT } },
  ]);
  expect(await receive(connection)).toMatchObject([19, ID, expect.any(Number), expect.any(String)]);
  connection.send(framed(pack([1, ID, { ttl_ms: 70_000 }])));
  const answer = (await receive(connection)) as unknown[];
  expect(answer).toMatchObject([17, ID, expect.any(Number), 0, { resumed: false, ttl_ms: 70_000 }]);
  return [connection, answer[2] as number];
}

describe.each(Object.keys(ENCODERS))('a client that encodes with %s', (name) => {
  const pack = ENCODERS[name];

  it('is served, and both libraries decode the replies', async () => {
    const [connection, session] = await register(pack);
    connection.send(framed(pack([2, ID, session, 1, PUT, { text: 'é', list: [1, null, true] }])));
    expect(await receive(connection)).toEqual([18, ID, session, 1, 0, 1]);
    connection.send(framed(pack([5, 4_000_000_000, ID, 1, null])));
    const data = { text: 'é', list: [1, null, true] };
    expect(await receive(connection)).toEqual([21, 4_000_000_000, 0, [1, data]]);
    connection.close();
  });

  it('may send integers above 2^32 in fields and bodies', async () => {
    const [connection, session] = await register(pack);
    connection.send(framed(pack([4, LARGE])));
    expect(await receive(connection)).toEqual([20, LARGE]);
    connection.send(framed(pack([2, ID, LARGE, 1, ECHO, null])));
    expect(await codeOf(connection)).toBe('session_too_high');
    connection.send(framed(pack([2, ID, session, LARGE, ECHO, null])));
    expect(await codeOf(connection)).toBe('requests_exhausted');
    connection.send(framed(pack([2, ID, session, 1, LARGE, null])));
    expect(await codeOf(connection)).toBe('unknown_operation');
    connection.send(framed(pack([2, ID, session, 1, ECHO, { at: LARGE, half: 0.5 }])));
    expect(await receive(connection)).toEqual([18, ID, session, 1, 0, { at: LARGE, half: 0.5 }]);
    connection.close();
  });
});

describe('the server', () => {
  it('is sent integers above 2^32 as floats by msgpackr, and as integers by the other', () => {
    expect(plain.pack(LARGE)[0]).toBe(0xcb);
    expect(encode(LARGE)[0]).toBe(0xcf);
  });

  it('accepts a length and a field in every width of an integer', async () => {
    const connection = await RawConnection.open(server.address.port);
    connection.send(framed(encode([0, 1, {}])));
    await connection.next();
    for (const kind of widthsOf(4, true)) {
      for (const length of widthsOf(kind.length + 2, false)) {
        connection.send(Buffer.from([...length, 0x92, ...kind, 0x2a]));
        expect(await receive(connection)).toEqual([20, 42]);
      }
    }
    connection.close();
  });

  it('refuses a body with a record of msgpackr, and says what to do', async () => {
    const [connection, session] = await register((value) => encode(value));
    const withRecords = new Packr({ useRecords: true });
    connection.send(framed(withRecords.pack([2, ID, session, 1, PUT, { color: 'blue' }])));
    const text = expect.stringContaining('useRecords: false');
    expect(await receive(connection)).toEqual([22, 'malformed_frame', text, null, null, null]);
    expect(await receive(connection)).toBe('closed');
  });
});

/** A small number in each form that msgpack has for it. */
function widthsOf(value: number, floats: boolean): number[][] {
  const view = new DataView(new ArrayBuffer(8));
  const form = (first: number, width: number): number[] => [
    first,
    ...new Uint8Array(view.buffer, 0, width),
  ];
  const forms = [[value]];
  for (const [index, width] of [1, 2, 4, 8].entries()) {
    view.setBigUint64(0, BigInt(value) << BigInt(64 - width * 8));
    forms.push(form(0xcc + index, width), form(0xd0 + index, width));
  }
  if (!floats) return forms;
  view.setFloat32(0, value);
  forms.push(form(0xca, 4));
  view.setFloat64(0, value);
  forms.push(form(0xcb, 8));
  return forms;
}
