/**
 * A real connection of the server with nothing around it: a socket that is an object, and a router
 * that writes down what it is given and is busy now and then. All bytes arrive in one memory that
 * is used again for the next chunk, as they do in the server.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { clientIdText } from '../../src/core/client-id.ts';
import { NO_LOG } from '../../src/core/event-log.ts';
import { TTL_NEVER } from '../../src/core/limits.ts';
import { Kind, type Message, RegisterFlag } from '../../src/core/message.ts';
import { sessionNumber } from '../../src/core/session-number.ts';
import { checkService } from '../../src/services/service.ts';
import { sessionData } from '../../src/services/session-data.ts';
import { Connection } from '../../src/transport/connection.ts';
import { ConnectionEvents } from '../../src/transport/connection-events.ts';
import type { ConnectionHost } from '../../src/transport/connection-host.ts';
import { HELLO_TIMEOUT_MS_DEFAULT } from '../../src/transport/limits.ts';
import { MessageReader } from '../../src/transport/message-reader.ts';
import { Notices } from '../../src/transport/notices.ts';
import { OutputPool } from '../../src/transport/output.ts';
import { Clock } from '../../src/workers/clock.ts';
import { Submitted } from '../../src/workers/dispatch.ts';
import { FrontEndMeter } from '../../src/workers/front-end-meter.ts';
import type { Random } from '../crash/random.ts';
import type { Limits } from './frame-model.ts';
import { read, type Value } from './reference.ts';
import { must } from './target.ts';

export const LIMITS: Limits = {
  frameBytesMax: 1500,
  bodyBytesMax: 200,
  dataBytesMax: 40,
  capabilities: ['send', 'purge'],
};

const MEMORY_BYTES = 4096;
const WELCOME = Buffer.from([0xce, 0, 0, 0, 2, 0x91, 16]);

type Take = (bytes: Uint8Array, view: DataView, length: number) => void;

const checked = checkService({ ...sessionData, capabilities: LIMITS.capabilities });
const pool = new OutputPool();

/** As much of a socket as a connection uses. */
class FakeSocket extends EventEmitter {
  readonly writable = true;
  readonly writableLength = 0;
  paused = false;
  hasEnded = false;
  readonly written: Buffer[] = [];

  setNoDelay(): void {}

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  isPaused(): boolean {
    return this.paused;
  }

  write(bytes: Buffer): boolean {
    this.written.push(bytes);
    return true;
  }

  end(): void {
    this.hasEnded = true;
  }

  destroy(): void {
    this.hasEnded = true;
  }
}

export class Fed {
  /** What happened, in the words of the model. */
  readonly events: string[] = [];
  readonly #socket = new FakeSocket();
  readonly #memory: Uint8Array;
  readonly #view: DataView;
  readonly #connection: Connection;
  readonly #reader = new MessageReader(LIMITS.bodyBytesMax, LIMITS.dataBytesMax, checked);
  readonly #isBusy: () => boolean;
  readonly #guard: number;
  #take: Take = () => {};

  /**
   * @param guard what lies in the memory behind what has arrived
   * @param random says when the router is busy; left out it never is
   */
  constructor(guard: number, random?: Random) {
    this.#guard = guard;
    this.#memory = new Uint8Array(MEMORY_BYTES).fill(guard);
    this.#view = new DataView(this.#memory.buffer);
    this.#isBusy = () => random?.chance(30) === true;
    this.#connection = new Connection(this.#host(), this.#socket as unknown as Socket);
  }

  #host(): ConnectionHost {
    const { events } = this;
    const host = {
      router: {
        open: () => 1,
        close: () => {},
        disconnect: () => {},
        begin: () => {},
        end: () => {},
        submit: (message: Message) => {
          if (this.#isBusy()) return Submitted.BLOCKED;
          this.#flush();
          events.push(textOf(message));
          return Submitted.TAKEN;
        },
      },
      reader: this.#reader,
      input: {
        read: (socket: unknown, take: Take) => {
          this.#take = take;
          return socket;
        },
      },
      pool,
      meter: new FrontEndMeter(new Clock()),
      frameBytesMax: LIMITS.frameBytesMax,
      operatorCalls: {
        run: (name: string, body: Uint8Array) => {
          this.#flush();
          const { request } = this.#reader.message;
          const hex = Buffer.from(body).toString('hex');
          events.push(`operator ${JSON.stringify(name)} ${request >>> 0} ${hex}`);
          // The result has no place among what is compared: it is never there.
          return new Promise(() => {});
        },
      },
      capabilities: LIMITS.capabilities,
      capabilityBytes: 20,
      welcome: WELCOME,
      stopping: false,
      authenticator: undefined,
      helloTimeoutMs: HELLO_TIMEOUT_MS_DEFAULT,
      notices: new Notices(() => {}),
      events: new ConnectionEvents(NO_LOG),
      turnedAway: () => {},
      clockIsFresh: () => true,
      blocked: () => {},
      dirty: () => {},
      closed: () => {},
    };
    return host as unknown as ConnectionHost;
  }

  /** Feeds a chunk, and what was kept back of it. */
  chunk(bytes: Uint8Array): void {
    if (this.#socket.hasEnded) return;
    this.#memory.set(bytes);
    this.#take(this.#memory, this.#view, bytes.length);
    // As if other connections had been read since.
    this.#memory.fill(this.#guard);
    for (let turn = 0; this.#socket.paused && !this.#socket.hasEnded; turn++) {
      must(turn < 10_000, 'a connection that is resumed goes on');
      this.#connection.resume();
    }
  }

  /** The end of the stream. Returns what happened. */
  end(): string[] {
    this.#flush();
    this.#socket.emit('close');
    return this.events;
  }

  /** Puts what was written since among the events. */
  #flush(): void {
    this.#connection.flush();
    const written = Buffer.concat(this.#socket.written.splice(0));
    for (let at = 0; at < written.length; ) {
      const length = read(written, at, written.length);
      const end = length.end + Number(length.integer);
      const frame = read(written, length.end, end);
      must(frame.end === end, 'a frame of the server is one value');
      this.#event(frame, written);
      at = end;
    }
  }

  #event({ items }: Value, written: Buffer): void {
    const { events } = this;
    const [kind, first, text, id] = items!;
    if (kind.integer === 16n) events.push('welcome');
    else if (kind.integer === 20n) {
      events.push(`pong ${written.subarray(first.start, first.end).toString('hex')}`);
    } else {
      must(kind.integer === 22n, 'only errors are left');
      const code: string = JSON.parse(first.text);
      must(text.kind === 'string' && text.text.length > 7, 'an error says what was wrong');
      events.push(id.kind === 'nil' && this.#isLast(code) ? `fatal ${code}` : `refused ${code}`);
    }
  }

  #isLast(code: string): boolean {
    const refusals = ['server_busy', 'requests_exhausted', 'body_too_large', 'invalid_options'];
    return this.#socket.hasEnded && !refusals.includes(code);
  }
}

function textOf(m: Message): string {
  const id = clientIdText(m.id0, m.id1, m.id2, m.id3);
  const session = sessionNumber(m.sessionLow, m.sessionHigh);
  const body = Buffer.from(m.bodyBytes.subarray(0, m.bodyLength)).toString('hex');
  must(m.token === 1, 'a message says whose it is');
  must(m.bodyBytes.subarray(m.bodyLength).length > 0, 'a body lies within the memory of bodies');
  for (let at = m.bodyLength; at % 4 !== 0; at++) {
    must(m.bodyBytes[at] === 0, 'behind a body are zeros up to a whole word');
  }
  switch (m.kind) {
    case Kind.REGISTER:
      return `register ${id} ${optionsOf(m, body)}`;
    case Kind.REQUEST:
      return `request ${id} ${session} ${m.request >>> 0} ${m.operation} ${body}`;
    case Kind.CLOSE:
      return `close ${id} ${session}`;
    default:
      return `call ${id} ${m.request >>> 0} ${m.operation} ${body}`;
  }
}

function optionsOf(m: Message, body: string): string {
  const found: string[] = [];
  const ttl = m.ttlMs >>> 0;
  if ((m.flags & RegisterFlag.TTL) !== 0) found.push(`ttl ${ttl === TTL_NEVER ? 'never' : ttl}`);
  if ((m.flags & RegisterFlag.RATE) !== 0) found.push(`rate ${m.ratePerSecond} ${m.rateBurst}`);
  if ((m.flags & RegisterFlag.CONNECTION) !== 0) found.push('scope');
  const names = LIMITS.capabilities.filter((_, bit) => (m.capabilities & (1 << bit)) !== 0);
  if (names.length > 0) found.push(`may ${names.join(' ')}`);
  if ((m.flags & RegisterFlag.DATA) !== 0) found.push(`data ${body}`);
  return found.join(', ');
}
