/**
 * All connections of a front end are read into one buffer. Nothing that one of them has left there
 * may be seen by another, or be lost when the next read overwrites it.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { FrameBuffer, FrameState } from '../../src/transport/frame-buffer.ts';
import { SharedInput } from '../../src/transport/shared-input.ts';
import { runs } from '../core/helpers.ts';

interface Seen {
  readonly text: string;
  readonly memory: ArrayBufferLike;
}

const BUFFER_BYTES = 1024;

let server: Server;
/** Both ends of every connection. */
const ends: Socket[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) end.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** A server that reads through one shared input, after `prepare` had the accepted socket. */
async function listen(seen: (one: Seen) => void, prepare?: (socket: Socket) => void) {
  const input = new SharedInput(BUFFER_BYTES);
  const sockets: Socket[] = [];
  server = createServer({ pauseOnConnect: true }, (accepted) => {
    prepare?.(accepted);
    const socket = input.read(accepted, (bytes, view, length) => {
      expect(view.getUint8(0)).toBe(bytes[0]);
      const text = Buffer.from(bytes.subarray(0, length)).toString();
      seen({ text, memory: bytes.buffer });
    });
    sockets.push(socket);
    ends.push(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return sockets;
}

async function dial(): Promise<Socket> {
  const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  ends.push(client);
  await once(client, 'connect');
  return client;
}

/** Resolves once all of `texts` were seen, whatever pieces they came in. */
function collector(total: number) {
  const seen: Seen[] = [];
  let arrived: () => void;
  const all = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const take = (one: Seen): void => {
    seen.push(one);
    if (seen.reduce((sum, { text }) => sum + text.length, 0) === total) arrived();
  };
  return { seen, all, take };
}

describe('a front end that reads through a shared input', () => {
  it('reads every connection into the same memory, at most a buffer at a time', async () => {
    const { seen, all, take } = collector(6_000);
    await listen(take);
    const [first, second] = [await dial(), await dial()];
    first.write('a'.repeat(3_000));
    second.write('b'.repeat(3_000));
    await all;
    expect(new Set(seen.map(({ memory }) => memory)).size).toBe(1);
    expect(Math.max(...seen.map(({ text }) => text.length))).toBeLessThanOrEqual(BUFFER_BYTES);
    for (const letter of ['a', 'b']) {
      const pieces = seen.filter(({ text }) => text.startsWith(letter));
      expect(pieces.map(({ text }) => text).join('')).toBe(letter.repeat(3_000));
    }
  });

  it('reads a socket whose internals differ as usual', async () => {
    const { seen, all, take } = collector(4);
    await listen(take, (accepted) => {
      const internals = accepted as unknown as { _handle: { useUserBuffer: unknown } };
      internals._handle.useUserBuffer = undefined;
    });
    const client = await dial();
    client.write('text');
    await all;
    expect(seen.map(({ text }) => text).join('')).toBe('text');
    client.end();
    await once(client, 'close');
  });

  it('stops reading while its socket is paused and goes on after', async () => {
    const { seen, all, take } = collector(8);
    let paused: () => void;
    const firstRead = new Promise<void>((resolve) => {
      paused = resolve;
    });
    const sockets = await listen((one) => {
      take(one);
      sockets[0].pause();
      paused();
    });
    const client = await dial();
    client.write('1234');
    await firstRead;
    client.write('5678');
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(seen).toHaveLength(1);
    sockets[0].resume();
    await all;
    expect(seen.map(({ text }) => text)).toEqual(['1234', '5678']);
  });

  it('answers on the socket, and no longer counts the connection once it has closed', async () => {
    const sockets = await listen(() => sockets[0].end('bye'));
    const client = await dial();
    let answer = '';
    client.setEncoding('utf8').on('data', (text) => {
      answer += text;
    });
    client.write('hello');
    await once(client, 'close');
    expect(answer).toBe('bye');
    if (!sockets[0].closed) await once(sockets[0], 'close');
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    const count = await new Promise((resolve) => server.getConnections((_, n) => resolve(n)));
    expect(count).toBe(0);
  });
});

describe('the rest of a chunk whose memory is used again', () => {
  it('is kept, with the frame at hand or without, wherever reading stopped', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(lengths, fc.nat(), fc.nat(), fc.boolean(), (list, cut, stop, frameToo) => {
        const stream = list.flatMap((length, i) => [length, ...Array(length).fill(i)]);
        const memory = new Uint8Array(stream.length);
        const view = new DataView(memory.buffer);
        const frames = new FrameBuffer(64);
        const out: number[][] = [];
        const take = (): boolean => {
          if (frames.next() !== FrameState.READY) return false;
          out.push([...frames.bytes.subarray(frames.start, frames.end)]);
          expect(frames.view.getUint8(frames.start)).toBe(frames.bytes[frames.start]);
          return true;
        };
        const feed = (bytes: readonly number[]): void => {
          memory.set(bytes);
          frames.feed(memory, view, bytes.length);
        };
        const at = cut % (stream.length + 1);
        feed(stream.slice(0, at));
        let taken = 0;
        const stopAt = stop % (list.length + 1);
        while (taken < stopAt && take()) taken += 1;
        // The last frame that was found, if any, is asked for once more after it was kept.
        const again = frameToo && taken > 0;
        frames.keepRest(again);
        memory.fill(0xc1);
        if (again) {
          expect([...frames.bytes.subarray(frames.start, frames.end)]).toEqual(out.at(-1));
        }
        while (take());
        feed(stream.slice(at));
        while (take());
        expect(out).toEqual(list.map((length, i) => Array(length).fill(i)));
      }),
      runs(300),
    );
  });
});
