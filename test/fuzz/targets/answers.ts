/**
 * Frames to the client: a server's stream, whatever it is, through the frame buffer and `readFrame`
 * as a link feeds them, in one chunk, byte by byte and split at random. Each frame is handed over
 * whole or is a `ProtocolError`, the same for every split, and what is handed over is what another
 * decoder finds in the frame.
 */
import { crc32 } from 'node:zlib';
import { REASON_NAMES, STATUS_NAMES } from '../../../src/core/codes.ts';
import type { Body } from '../../../src/transport/client/bodies.ts';
import { ProtocolError } from '../../../src/transport/client/errors.ts';
import { type FrameHandler, readFrame } from '../../../src/transport/client/incoming.ts';
import { Cursor } from '../../../src/transport/cursor.ts';
import { FrameBuffer, FrameState } from '../../../src/transport/frame-buffer.ts';
import { Random } from '../../crash/random.ts';
import {
  arrayBytes,
  binBytes,
  integerBytes,
  mapBytes,
  randomInteger,
  stringBytes,
  valueBytes,
} from '../grammar.ts';
import { NoValue, read, type Value } from '../reference.ts';
import { INPUT_BYTES_MAX, must, type Outcome, same, type Target } from '../target.ts';

const FRAME_BYTES_MAX = 1500;
const cursor = new Cursor();
const ID = Uint8Array.from({ length: 16 }, (_, i) => i * 5 + 3);
const LIMITS = [
  'frame_bytes_max',
  'body_bytes_max',
  'data_bytes_max',
  'reply_bytes_max',
  'sessions_max',
  'in_flight_max',
  'ttl_ms_max',
];
const ERRORS = ['rate_limited', 'malformed_frame', '', 'ü', 'x'.repeat(300)];

export const answers: Target = {
  name: 'answers',
  sources: [
    '/transport/client/incoming.ts',
    '/transport/client/welcome.ts',
    '/transport/client/bodies.ts',
    '/transport/frame-buffer.ts',
    '/transport/cursor.ts',
    '/services/values.ts',
  ],
  tokens: [
    Uint8Array.from([0xc4, 16, ...ID]),
    Uint8Array.from([0xc7, 12, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
    Uint8Array.from([0xd5, 0x78, 0x28, 0x28]),
    Uint8Array.from([0xc7, 3, 0x74, 9, 1, 2]),
    Uint8Array.from([0xd6, 0x70, 0, 0, 0, 1]),
    Uint8Array.from([0x81, 0xa9, ...Buffer.from('__proto__'), 0x80]),
    ...['closed', 'resumed', ...LIMITS].map((name) =>
      Uint8Array.from([0xa0 | name.length, ...Buffer.from(name)]),
    ),
  ],
  share: 1,
  generate,
  run,
};

function generate(random: Random): Uint8Array {
  const stream: number[] = [];
  const count = 1 + random.below(3);
  for (let i = 0; i < count; i++) {
    const body = frameOf(random);
    stream.push(...integerBytes(BigInt(body.length), random), ...body);
  }
  return Uint8Array.from(stream);
}

function frameOf(random: Random): number[] {
  const kind = random.pick([16, 17, 18, 19, 20, 21, 22, 22, 15, 23]);
  const head = integerBytes(BigInt(kind), random);
  return arrayBytes([head, ...fieldsOf(kind, random)], random);
}

function fieldsOf(kind: number, random: Random): number[][] {
  const number = (): number[] => {
    const value = randomInteger(random);
    return integerBytes(value < 0n ? -value : value, random);
  };
  const id = binBytes(ID, random);
  const status = integerBytes(BigInt(random.below(7)), random);
  switch (kind) {
    case 16:
      return [integerBytes(1n, random), welcomeBytes(random)];
    case 17:
      return [id, number(), number(), mapOf(['resumed', 'ttl_ms', 'rate'], random)];
    case 18:
      return [id, number(), number(), status, valueBytes(random)];
    case 19:
      return [id, number(), stringBytes(random.pick(REASON_NAMES), random)];
    case 20:
      return [number()];
    case 21:
      return [number(), status, valueBytes(random)];
    default: {
      const text = (): number[] => stringBytes(random.pick(ERRORS), random);
      const details = mapOf(['retry_after_ms'], random);
      return [text(), text(), random.pick([[0xc0], id]), random.pick([[0xc0], number()]), details];
    }
  }
}

function mapOf(names: readonly string[], random: Random): number[] {
  const entry = (name: string): number[][] => [stringBytes(name, random), valueBytes(random, 2)];
  return mapBytes(names.map(entry), random);
}

function welcomeBytes(random: Random): number[] {
  const count = (): number[] => {
    if (random.chance(2)) return valueBytes(random, 1);
    return integerBytes(BigInt(random.below(70_000)), random);
  };
  const counts = (names: readonly string[]): number[] =>
    mapBytes(
      names.filter(() => random.chance(99)).map((name) => [stringBytes(name, random), count()]),
      random,
    );
  const entries: [string, number[]][] = [
    ['limits', counts(LIMITS)],
    ['operations', counts(['put', 'get', 'constructor'])],
    ['shards', count()],
    ['engine', valueBytes(random, 2)],
  ];
  return mapBytes(
    entries.map(([name, value]) => [stringBytes(name, random), value]),
    random,
  );
}

function run(input: Uint8Array): Outcome {
  const whole = fed(input, [INPUT_BYTES_MAX]);
  const check = (sizes: readonly number[]): void => {
    same(fed(input, sizes).join('\n    '), whole.join('\n    '), `in chunks of ${sizes}`);
  };
  check([1]);
  const random = new Random(crc32(input));
  check(Array.from({ length: 4 }, () => 1 + random.below(random.pick([3, 30, 300]))));
  // What came before a bad frame has been handed over. The begin of a frame is not one.
  const isGood = whole.length > 0 && whole.at(-1)?.startsWith('ProtocolError') === false;
  return isGood ? 'accepted' : 'refused';
}

function fed(input: Uint8Array, sizes: readonly number[]): string[] {
  const frames = new FrameBuffer(FRAME_BYTES_MAX);
  const events: string[] = [];
  try {
    for (let at = 0, i = 0; at < input.length; i++) {
      // In the middle of other bytes, as the runtime's pooled buffers are.
      const chunk = input.subarray(at, at + sizes[i % sizes.length]);
      const memory = new Uint8Array(chunk.length + 24).fill(0xc0);
      memory.set(chunk, 8);
      const part = memory.subarray(8, 8 + chunk.length);
      frames.feed(part, new DataView(memory.buffer, 8, chunk.length), chunk.length);
      drain(frames, events);
      at += chunk.length;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    must(error.message.length > 10, 'a ProtocolError says what was wrong');
    events.push(`${error.name} ${error.message}`);
  }
  return events;
}

function drain(frames: FrameBuffer, events: string[]): void {
  for (;;) {
    const state = frames.next();
    if (state === FrameState.MORE) return;
    if (state !== FrameState.READY) throw new ProtocolError(`frame state ${state}`);
    cursor.reset(frames.bytes, frames.view, frames.start, frames.end);
    const before = events.length;
    try {
      readFrame(cursor, handlerOf(events));
    } catch (error) {
      must(events.length === before, 'a frame that is refused was not handed over');
      throw error;
    }
    must(events.length === before + 1, 'a frame is handed over once');
    compare(frames, events[before]);
  }
}

/** What was handed over, and what the reference reads in the same bytes. */
function compare(frames: FrameBuffer, event: string): void {
  const bytes = frames.bytes.slice(frames.start, frames.end);
  let value: Value;
  try {
    value = read(bytes, 0, bytes.length);
  } catch (error) {
    if (error instanceof NoValue) throw new Error('a frame was taken that is no value');
    throw error;
  }
  must(value.end === bytes.length && value.kind === 'array', 'a frame is one array');
  if (value.isOdd || value.hasExt) return;
  const [kind, ...fields] = value.items!.map((item) => item.text);
  same(
    event,
    [kind, ...fields.map((text, i) => worded(Number(kind), i, text))].join(' | '),
    'taken',
  );
}

/** A field in the form in which the handler below writes it. */
function worded(kind: number, index: number, text: string): string {
  const isStatus = (kind === 18 && index === 3) || (kind === 21 && index === 1);
  if (isStatus) return STATUS_NAMES[Number(text)];
  // Maps are read by others later on; whether they are there is all that counts here.
  const isMap = (kind === 16 || kind === 17 || kind === 22) && text.startsWith('{');
  return isMap || (kind === 22 && index === 4) ? 'map' : text;
}

function known(names: readonly string[], name: string): string {
  must(names.includes(name), () => `${name} is no name of the protocol`);
  return name;
}

function handlerOf(events: string[]): FrameHandler {
  const push = (kind: number, ...fields: unknown[]): void => {
    events.push([kind, ...fields].join(' | '));
  };
  const id = (text: string | null): string => (text === null ? 'nil' : `<${text}>`);
  const valueOfBody = ({ bytes, start, end }: Body): string => read(bytes, start, end).text;
  const map = (fields: unknown): string => {
    const isMap = typeof fields === 'object' && fields !== null && !Array.isArray(fields);
    must(isMap, 'a map is an object');
    return 'map';
  };
  return {
    welcome: ({ version, limits, operations, shards }) => {
      for (const count of [...Object.values(limits), ...operations.values(), shards]) {
        must(Number.isSafeInteger(count) && count >= 0, 'a welcome has whole numbers');
      }
      push(16, version, 'map');
    },
    registered: (client, session, last, fields) => push(17, id(client), session, last, map(fields)),
    reply: (client, session, request, status, body) =>
      push(18, id(client), session, request, known(STATUS_NAMES, status), valueOfBody(body)),
    evicted: (client, session, reason) =>
      push(19, id(client), session, JSON.stringify(known(REASON_NAMES, reason))),
    pong: (nonce) => push(20, nonce),
    result: (correlation, status, body) =>
      push(21, correlation, known(STATUS_NAMES, status), valueOfBody(body)),
    error: ({ code, message, id: client, number, details }) => {
      const texts = [code, message].map((text) => JSON.stringify(text));
      push(22, ...texts, id(client), number ?? 'nil', map(details));
    },
  };
}
