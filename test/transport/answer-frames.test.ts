/**
 * Every answer fits the room that is reserved for it. Where it did not, a client could end the
 * whole server with a few hundred frames.
 */
import { encode } from '@msgpack/msgpack';
import { expect, it } from 'vitest';
import { serve } from '../../dist/serve.js';
import { ERROR_MESSAGES, ERROR_NAMES, ErrorCode, REASON_NAMES } from '../../src/core/codes.ts';
import { Kind } from '../../src/core/message.ts';
import { checkService } from '../../src/services/service.ts';
import { sessionData } from '../../src/services/session-data.ts';
import { answerBytesMax, writeAnswer, writeError } from '../../src/transport/answer-frames.ts';
import { FrameWriter } from '../../src/transport/frame-writer.ts';
import { MessageReader, Read } from '../../src/transport/message-reader.ts';
import { Answer, AnswerKind } from '../../src/workers/answer.ts';
import { ERROR, frame, idOf, RawClient, REGISTER } from './raw-client.ts';

/** A writer that throws, or leaves its frame unfinished, if more than `bytes` are written. */
function writerOf(bytes: number): FrameWriter {
  const writer = new FrameWriter();
  writer.use(Buffer.alloc(bytes));
  return writer;
}

function register(reader: MessageReader, options: Uint8Array): Read {
  const bytes = Uint8Array.from([0xc4, 16, ...idOf(1), ...options]);
  reader.cursor.reset(bytes, new DataView(bytes.buffer), 0, bytes.length);
  return reader.register(3);
}

it('a refused option fits the room of an error, whatever its name', () => {
  const reader = new MessageReader(100, 100, checkService(sessionData));
  for (const byte of [0x61, 0xff, 0xc3]) {
    for (const length of [1, 31, 200, 400, 500, 1_024]) {
      const name = [0xda, length >> 8, length & 0xff, ...new Array(length).fill(byte)];
      expect(register(reader, Uint8Array.from([0x81, ...name, 0x01]))).toBe(Read.REFUSED);
      const writer = writerOf(answerBytesMax(0));
      const { error, problem, details, message } = reader;
      writeError(writer, error, Kind.REGISTER, message, problem, details);
      const said = writer.view.getUint32(1);
      expect(5 + said).toBe(writer.at);
      expect(writer.bytes.subarray(writer.at - 2, writer.at)).toEqual(Buffer.from([0xc0, 0xc0]));
    }
  }
});

it('a refused ttl_ms fits the room of an error, whatever number it is', () => {
  const reader = new MessageReader(100, 100, checkService(sessionData));
  for (const ttl of [-Number.MAX_VALUE, Number.MIN_VALUE, -1e-300 / 3, Number.NaN]) {
    expect(register(reader, encode({ ttl_ms: ttl }))).toBe(Read.REFUSED);
    const writer = writerOf(answerBytesMax(0));
    writeError(writer, reader.error, Kind.REGISTER, reader.message, reader.problem);
    expect(5 + writer.view.getUint32(1)).toBe(writer.at);
  }
});

it('every answer fits the room that is reserved for it, at its longest', () => {
  for (const bodyLength of [0, 1, 511, 512, 513, 100_000]) {
    for (let kind = AnswerKind.REGISTERED; kind <= AnswerKind.ERROR; kind++) {
      const codes = kind === AnswerKind.ERROR ? ERROR_MESSAGES : REASON_NAMES;
      for (let code = 0; code < codes.length; code++) {
        const a = new Answer();
        Object.assign(a, { kind, code, of: Kind.REQUEST, id0: -1, request: -1, value: -2 });
        Object.assign(a, { sessionLow: -1, sessionHigh: 0x1fffff, bodyLength });
        // A register's answer holds what was granted.
        a.bodyWords = new Int32Array(Math.max(4, (bodyLength + 3) >>> 2)).fill(-2);
        a.bodyBytes = new Uint8Array(a.bodyWords.buffer);
        const writer = writerOf(answerBytesMax(bodyLength));
        writeAnswer(writer, a, []);
        expect(5 + writer.view.getUint32(1)).toBe(writer.at);
      }
    }
  }
});

it('every error has a name and a text', () => {
  expect(ERROR_MESSAGES).toHaveLength(ERROR_NAMES.length);
  expect(ERROR_NAMES).toHaveLength(ErrorCode.TIMED_OUT + 1);
});

it('a server survives any number of refused options with long names', async () => {
  const server = await serve({ port: 0, shards: 1, run: 'direct', sessionsMax: 10 });
  const client = await RawClient.greeted(server);
  const frames: Buffer[] = [];
  // Every length, so that some error begins just before the end of an output buffer.
  for (let length = 600; length <= 1_024; length++) {
    frames.push(frame(REGISTER, idOf(1), { ['x'.repeat(length)]: 1 }));
  }
  client.raw(Buffer.concat(frames));
  const answers = await client.take(frames.length);
  expect(new Set(answers.map(([kind, code]) => `${kind} ${code}`))).toEqual(
    new Set([`${ERROR} invalid_options`]),
  );
  client.destroy();
  await server.stop();
});
