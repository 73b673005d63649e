/** What a connection's output holds while its client does not read. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Output, OutputPool } from '../../src/transport/output.ts';

class StuckSocket extends EventEmitter {
  writable = true;
  writableLength = 0;
  readonly held: ArrayBufferLike[] = [];

  write(bytes: Buffer): boolean {
    this.writableLength += bytes.byteLength;
    this.held.push(bytes.buffer);
    return false;
  }
}

test('many small writes that wait do not hold a large buffer each', () => {
  const socket = new StuckSocket();
  const output = new Output(socket as unknown as Socket, new OutputPool());
  for (let i = 0; i < 1000; i++) {
    output.reserve(64);
    output.writer.bytes[output.writer.at++] = i;
    output.flush();
  }
  const held = new Set(socket.held);
  const large = [...held].filter((buffer) => buffer.byteLength > 16 * 1024);
  expect(socket.writableLength).toBe(1000);
  // The first write's own buffer, and the runtime's pools for short copies.
  expect(large.length).toBeLessThanOrEqual(2);
});
