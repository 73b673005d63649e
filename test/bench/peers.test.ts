/**
 * The load generator's connection against the real servers, where they are installed: every lane
 * is answered again and again, and each stores under a key of its own.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { stopAll } from '../../bench/load/children.ts';
import { LoadConnection } from '../../bench/load/connection.ts';
import { PEER_NAMES, type PeerName } from '../../bench/load/job.ts';
import { makeLanes } from '../../bench/load/lanes.ts';
import { PEERS } from '../../bench/load/peers.ts';
import { Wire } from '../../bench/load/wire.ts';

const CONNECTIONS = 2;
const LANES = 20;
const REPLIES = LANES * 50;

/** A SELECT of everything in space 512 over index 0, with iterator ALL. */
const SELECT_ALL = 'ce0000001682000101008610cd0200110012cd2710130014022090';

/** A request for what is stored, and how many entries its answer shows. */
const COUNTS: Record<PeerName, { ask: Buffer; find: RegExp; count: (found: string) => number }> = {
  redis: { ask: Buffer.from('DBSIZE\r\n'), find: /:(\d+)\r\n/, count: Number },
  memcached: { ask: Buffer.from('stats\r\n'), find: /curr_items (\d+)\r\n/, count: Number },
  tarantool: {
    ask: Buffer.from(SELECT_ALL, 'hex'),
    find: /\x81\x30\xdd([\s\S]{4})/,
    count: (found) => Buffer.from(found, 'latin1').readUInt32BE(),
  },
};

afterAll(stopAll);

it.for(PEER_NAMES)('%s answers each lane in turn and stores each key', async (name, context) => {
  const target = await PEERS[name](undefined);
  if (target === undefined) return context.skip(`${name} is not installed`);
  await Promise.all(
    Array.from({ length: CONNECTIONS }, (_, connection) => load(name, target.port, connection)),
  );
  expect(await entries(name, target.port)).toBe(CONNECTIONS * LANES);
});

/** Holds the closed loop until the replies have come. */
async function load(name: PeerName, port: number, number: number): Promise<void> {
  const lanes = makeLanes(name, number, LANES, 'echo');
  const wire = new Wire(port);
  await wire.connected();
  await lanes.prepare(wire);
  const connection = new LoadConnection(wire.socket, lanes, LANES);
  await new Promise<void>((resolve) => {
    wire.receive = (bytes, view, length) => {
      connection.data(bytes, view, length);
      if (connection.replies >= REPLIES) resolve();
    };
    connection.start();
  });
  wire.socket.destroy();
}

async function entries(name: PeerName, port: number): Promise<number> {
  const { ask, find, count } = COUNTS[name];
  const socket = connect({ host: '127.0.0.1', port });
  socket.setEncoding('latin1').write(ask);
  let text = '';
  for (;;) {
    const found = find.exec(text);
    if (found !== null) {
      socket.destroy();
      return count(found[1]);
    }
    const [part] = (await once(socket, 'data')) as [string];
    text += part;
  }
}
