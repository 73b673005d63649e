/** A peer that keeps sessions as far as keys need them, with operations by number. */
import { Peer, type Received, requestOf, WELCOME } from '../client/peer.ts';

const OPERATIONS = { put: 2, touch: 5, set_ttl: 6, batch: 7, peek: 8 };
const REGISTERED = 17;
const REPLY = 18;
const EVICTION = 19;
const RESULT = 21;
const ERROR = 22;
const TOO_LARGE = 5;
const DATA_BYTES_MAX = 256;

interface PeerSession {
  readonly number: number;
  data: Record<string, unknown>;
  request: number;
}

export class KeyPeer {
  /** What arrived, by the names of frames and operations. */
  readonly log: string[] = [];
  /** Takes a frame in place of the peer when it returns true. */
  intercept: (what: string, frame: Received) => boolean = () => false;
  readonly #sessions = new Map<string, PeerSession>();
  #numbers = 0;
  #read = 0;

  private constructor(readonly peer: Peer) {
    peer.welcome = { ...WELCOME, operations: OPERATIONS };
    peer.on('frame', () => this.#take(peer.received[this.#read++]));
  }

  static async listen(): Promise<KeyPeer> {
    return new KeyPeer(await Peer.listen({ register: false }));
  }

  /** Ends all sessions without a word, as their TTL would. */
  expire(): void {
    this.#sessions.clear();
  }

  /** Another client's session of the same ids, newer than all others. */
  takeOver(data: Record<string, unknown>): void {
    for (const id of this.#sessions.keys()) {
      this.#sessions.set(id, { number: ++this.#numbers, data, request: 0 });
    }
  }

  get states(): unknown[] {
    return [...this.#sessions.values()].map(({ data }) => data.state);
  }

  #take(frame: Received): void {
    const take = [undefined, this.#register, this.#request, this.#close, undefined, this.#call];
    take[frame.kind]?.call(this, frame);
  }

  #hear(what: string, frame: Received): boolean {
    this.log.push(what);
    return !this.intercept(what, frame);
  }

  #register(frame: Received): void {
    if (!this.#hear('register', frame)) return;
    const [id, options] = frame.fields as [Uint8Array, { data: Record<string, unknown> }];
    const live = this.#sessions.get(textOf(id));
    const made = live ?? { number: ++this.#numbers, data: options.data, request: 0 };
    this.#sessions.set(textOf(id), made);
    const granted = { resumed: live !== undefined, ttl_ms: 1000 };
    frame.socket.send(REGISTERED, id, made.number, made.request, granted);
  }

  #request(frame: Received): void {
    const { id, session, request, body } = requestOf(frame);
    if (!this.#hear('batch', frame)) return;
    const live = this.#sessions.get(textOf(id));
    if (live?.number !== session) {
      const reason = live === undefined ? 'no_session' : 'session_too_low';
      return frame.socket.send(EVICTION, id, session, reason);
    }
    const [[, data]] = body as [[string, Record<string, unknown>]];
    live.request = request;
    const isTooLarge = JSON.stringify(data).length > DATA_BYTES_MAX;
    if (!isTooLarge) live.data = data;
    frame.socket.send(REPLY, id, session, request, isTooLarge ? TOO_LARGE : 0, null);
  }

  #close(frame: Received): void {
    if (!this.#hear('close', frame)) return;
    const [id, session] = frame.fields as [Uint8Array, number];
    const live = this.#sessions.get(textOf(id));
    const isIt = live?.number === session;
    if (isIt) this.#sessions.delete(textOf(id));
    frame.socket.send(EVICTION, id, session, isIt ? 'closed' : 'no_session');
  }

  #call(frame: Received): void {
    const [correlation, id, operation] = frame.fields as [number, Uint8Array, number];
    const what = operation === OPERATIONS.peek ? 'peek' : 'touch';
    if (!this.#hear(what, frame)) return;
    const live = this.#sessions.get(textOf(id));
    if (live === undefined) frame.socket.send(ERROR, 'no_session', 'gone', id, correlation, null);
    else frame.socket.send(RESULT, correlation, 0, what === 'peek' ? [0, live.data] : null);
  }
}

function textOf(id: Uint8Array): string {
  return Buffer.from(id).toString('hex');
}
