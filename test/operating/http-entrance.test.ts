/** Who finds room at the operator's port. */
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { HttpEntrance } from '../../src/operating/http-entrance.ts';
import { HTTP_CONNECTIONS_PER_ADDRESS_MAX } from '../../src/operating/limits.ts';
import { Notices } from '../../src/transport/notices.ts';

/** A connection that says nothing, as if from an address. */
function arrive(entrance: HttpEntrance, remoteAddress: string): Duplex {
  const socket = Object.assign(new Duplex({ read() {}, write() {} }), { remoteAddress });
  entrance.server.emit('connection', socket);
  return socket;
}

async function closed(socket: Duplex): Promise<void> {
  socket.destroy();
  await new Promise((resolve) => socket.once('close', resolve));
}

test('one address has half of the places; loopback and others find room beside it', async () => {
  const notices: string[] = [];
  const entrance = new HttpEntrance(undefined, new Notices((text) => notices.push(text)), () => {});
  const many = Array.from({ length: HTTP_CONNECTIONS_PER_ADDRESS_MAX }, () =>
    arrive(entrance, '192.0.2.7'),
  );
  expect(many.some(({ destroyed }) => destroyed)).toBe(false);
  expect(notices).toEqual([]);
  // The same address, as a socket that listens for both families sees it.
  expect(arrive(entrance, '::ffff:192.0.2.7').destroyed).toBe(true);
  expect(notices).toHaveLength(1);
  expect(notices[0]).toContain('192.0.2.7');
  const others = ['192.0.2.8', '127.0.0.1', '::1'].map((address) => arrive(entrance, address));
  expect(others.some(({ destroyed }) => destroyed)).toBe(false);
  await closed(many[0]);
  const next = arrive(entrance, '192.0.2.7');
  expect(next.destroyed).toBe(false);
  await Promise.all([next, ...many.slice(1), ...others].map(closed));
});
