/** Checks docs/protocol.md against a running server: its examples are what the server does. */
import { readFileSync } from 'node:fs';
import { decode } from '@msgpack/msgpack';
import { describe, expect, it } from 'vitest';
import { type RunningServer, serve } from '../../dist/serve.js';
import { framed, RawConnection, unframed } from '../interop/raw-connection.ts';
import { type Example, readDocument, type Transcript } from './protocol-examples.ts';

const root = new URL('../../', import.meta.url);
const text = readFileSync(new URL('docs/protocol.md', root), 'utf8');
const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const { reference, transcripts } = readDocument(text);
const inTranscripts = transcripts.flatMap(({ examples }) => examples);

const KINDS: Readonly<Record<string, number>> = {
  hello: 0,
  register: 1,
  request: 2,
  close: 3,
  ping: 4,
  call: 5,
  welcome: 16,
  registered: 17,
  reply: 18,
  eviction: 19,
  pong: 20,
  result: 21,
  error: 22,
};
const HELLO = framed(Uint8Array.of(0x93, 0, 1, 0x80));
/** A ping whose pong shows that no answer came before it that should not have come. */
const LAST_PING = framed(Uint8Array.of(0x92, 4, 0x7f));
const LAST_PONG = framed(Uint8Array.of(0x92, 20, 0x7f));

const hex = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? 'closed' : Buffer.from(bytes).toString('hex');
const place = ({ line, name }: Example): string => `line ${line}, ${name}`;

/**
 * Compares as bytes. Two frames are compared as values: a welcome, because it tells the package's
 * version, and the time of `rate_limited`, because some has passed.
 */
function expectFrame(actual: Uint8Array | undefined, example: Example): void {
  const expected = actual === undefined ? undefined : loosely(actual, example.value);
  if (expected === undefined || actual === undefined) {
    expect(hex(actual), place(example)).toBe(hex(example.bytes));
    return;
  }
  expect(decode(unframed(actual)), place(example)).toEqual(expected);
}

/** The value that a frame must have if its bytes may differ from the document's. */
function loosely(actual: Uint8Array, value: readonly unknown[]): unknown {
  const [kind, second, about, ...rest] = value as [number, unknown, object, ...unknown[]];
  if (kind === KINDS.welcome) return [kind, second, { ...about, engine: version }];
  const details = value[5] as { readonly retry_after_ms: number | null } | undefined;
  const wait = kind === KINDS.error && second === 'rate_limited' && details?.retry_after_ms;
  if (typeof wait !== 'number') return undefined;
  const told = decode(unframed(actual)) as { retry_after_ms: number }[];
  expect(told[5]?.retry_after_ms).toBeGreaterThan(0);
  expect(told[5]?.retry_after_ms).toBeLessThanOrEqual(wait);
  return [kind, second, about, ...rest.slice(0, -1), { retry_after_ms: told[5]?.retry_after_ms }];
}

async function play(transcript: Transcript, connection: RawConnection): Promise<void> {
  if (transcript.afterHello) {
    connection.send(HELLO);
    await connection.next();
  }
  for (const example of transcript.examples) {
    if (example.toServer) connection.send(example.bytes);
    else expectFrame(await connection.next(), example);
  }
  if (!transcript.fatal) connection.send(LAST_PING);
  expect(hex(await connection.next())).toBe(transcript.fatal ? 'closed' : hex(LAST_PONG));
}

describe('docs/protocol.md', () => {
  it('shows every kind of frame, as an example of its own and in a transcript', () => {
    const shown = (examples: readonly Example[]): string[] => [
      ...new Set(examples.map(({ name }) => name)),
    ];
    expect(shown(reference)).toEqual(Object.keys(KINDS));
    expect(shown(inTranscripts).sort()).toEqual(Object.keys(KINDS).sort());
  });

  it('has no line of 100 characters or more', () => {
    expect(text.split('\n').filter((line) => [...line].length >= 100)).toEqual([]);
  });

  it('has frames that are whole and decode to the value beside them', () => {
    for (const example of [...reference, ...inTranscripts]) {
      const { bytes, name, value } = example;
      const body = unframed(bytes);
      expect(hex(bytes), place(example)).toBe(hex(framed(body)));
      expect(decode(body), place(example)).toEqual(value);
      expect(value[0], place(example)).toBe(KINDS[name]);
    }
  });

  it('explains only frames that a transcript sends or gets', () => {
    const sent = new Set(inTranscripts.map(({ bytes }) => hex(bytes)));
    expect(reference.filter(({ bytes }) => !sent.has(hex(bytes))).map(place)).toEqual([]);
  });

  for (const transcript of transcripts) {
    it(`shows in ${transcript.heading} what a server really answers`, async () => {
      const server: RunningServer = await serve({
        port: 0,
        sessionsAfter: 0,
        ...transcript.server,
      });
      try {
        const connection = await RawConnection.open(server.address.port);
        await play(transcript, connection);
        connection.close();
      } finally {
        await server.stop();
      }
    });
  }
});
