/** Keeps data for a `Peer`, by client id, as far as the rules of it matter to a client. */
import { CALL, type Peer, REQUEST, type Received, WELCOME } from './peer.ts';

/** Other numbers than the server's own, so that they can come from nowhere but the welcome. */
export const OPERATIONS = {
  echo: 20,
  get: 21,
  put: 22,
  peek: 23,
  put_if: 24,
  merge: 25,
  increment: 26,
  info: 27,
  touch: 28,
  set_ttl: 29,
  batch: 30,
};

export const DATA_WELCOME = { ...WELCOME, operations: OPERATIONS };

interface Entry {
  version: number;
  data: unknown;
}

export class DataStore {
  conflicts = 0;
  readonly #entries = new Map<string, Entry>();

  /** Answers the peer's requests and calls of `peek` and `put_if` from now on. */
  constructor(peer: Peer) {
    peer.on('frame', () => {
      const frame = peer.received.at(-1) as Received;
      const { kind, fields, socket } = frame;
      if (kind === REQUEST) {
        const [status, body] = this.#execute(fields[0], fields[3], fields[4]);
        socket.reply(frame, body, status);
      }
      if (kind === CALL) {
        const [status, body] = this.#execute(fields[1], fields[2], fields[3]);
        socket.send(21, fields[0], status, body);
      }
    });
  }

  of(id: string): Entry {
    const entry = this.#entries.get(id) ?? { version: 0, data: {} };
    this.#entries.set(id, entry);
    return entry;
  }

  #execute(id: unknown, operation: unknown, body: unknown): [status: number, body: unknown] {
    const entry = this.of(Buffer.from(id as Uint8Array).toString('hex'));
    if (operation === OPERATIONS.peek) return [0, [entry.version, entry.data]];
    if (operation !== OPERATIONS.put_if) return [1, 'the store has no such operation'];
    const [version, data] = body as [number, unknown];
    if (version !== entry.version) {
      this.conflicts += 1;
      return [2, entry.version];
    }
    entry.data = data;
    entry.version += 1;
    return [0, entry.version];
  }
}
