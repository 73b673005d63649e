/**
 * A session driven frame by frame, so that replies are compared byte for byte: the one that was
 * acknowledged before a crash with the one that a retry gets after it.
 */
import { decode, encode } from '@msgpack/msgpack';
import { encodeValue } from '../../dist/services/values.js';
import { framed, RawConnection, unframed } from '../interop/raw-connection.ts';
import type { Ended, LastRequest, World } from './client-actor.ts';
import { isSame, newState, nextStep, type State, type Step } from './model.ts';
import type { Random } from './random.ts';

const HELLO = 0;
const REGISTER = 1;
const REQUEST = 2;
const WELCOME = 16;
const REGISTERED = 17;
const REPLY = 18;
const EVICTION = 19;
const ERROR = 22;

/** Refusals after which the same may be accepted a moment later. */
const PASSING = ['server_busy', 'shutting_down'];

type Values = readonly [kind: number, ...fields: unknown[]];

function frame(...values: Values): Uint8Array {
  return framed(encode(values));
}

function valuesOf(bytes: Uint8Array): Values {
  return decode(unframed(bytes)) as Values;
}

function bytesOf(id: string): Uint8Array {
  return new Uint8Array(Buffer.from(id, 'hex'));
}

/** A greeted connection; undefined while nobody answers. */
export class RawPeer {
  private constructor(
    readonly connection: RawConnection,
    readonly operations: Readonly<Record<string, number>>,
  ) {}

  static async open(port: number): Promise<RawPeer | undefined> {
    const connection = await RawConnection.open(port).catch(() => undefined);
    if (connection === undefined) return undefined;
    connection.send(frame(HELLO, 1, {}));
    const answer = await connection.next();
    const values = answer === undefined ? undefined : valuesOf(answer);
    if (values?.[0] === WELCOME) {
      const { operations } = values[2] as { operations: Record<string, number> };
      return new RawPeer(connection, operations);
    }
    connection.close();
    return undefined;
  }

  request(id: string, session: number, request: number, operation: string, body: unknown) {
    const number = this.operations[operation];
    const head = encode([REQUEST, bytesOf(id), session, request, number, null]);
    // A retry is one only with the very bytes that the library sent, so it encodes the body here.
    return framed(Buffer.concat([head.subarray(0, -1), encodeValue(body)]));
  }

  isReply(bytes: Uint8Array): boolean {
    return valuesOf(bytes)[0] === REPLY;
  }

  /** Sends a frame and resolves with the next one that comes; undefined when the server is gone. */
  ask(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    this.connection.send(bytes);
    return this.connection.next();
  }

  /** The stored reply of a session's last request, as it is on the wire. */
  async replay(last: LastRequest): Promise<Uint8Array | undefined> {
    const { id, session, request, operation, body } = last;
    return this.ask(this.request(id, session, request, operation, body));
  }

  /** Whether a session that has ended refuses to execute anything. */
  async isOver({ id, session, request }: Ended): Promise<boolean> {
    const [operation] = Object.keys(this.operations);
    const answer = await this.ask(this.request(id, session, request + 1, operation, 1));
    return answer === undefined || valuesOf(answer)[0] === EVICTION;
  }

  close(): void {
    this.connection.close();
  }
}

interface Sent {
  readonly bytes: Uint8Array;
  readonly step: Step;
}

export class RawActor {
  readonly #world: World;
  readonly #port: number;
  readonly #random: Random;
  readonly #isGoing: () => boolean;
  #peer: RawPeer | undefined;
  #id: string;
  #session = 0;
  /** The last acknowledged request, its frame, and the frame of its reply. */
  #request = 0;
  #acknowledged: { bytes: Uint8Array; reply: Uint8Array } | undefined;
  #inFlight: Sent | undefined;
  #state: State;

  constructor(world: World, port: number, random: Random, isGoing: () => boolean) {
    this.#world = world;
    this.#port = port;
    this.#random = random;
    this.#isGoing = isGoing;
    this.#id = random.id();
    this.#state = newState(world.service);
  }

  async run(): Promise<void> {
    while (this.#isGoing()) {
      this.#peer ??= await this.#open();
      if (this.#peer === undefined) await pause();
      else if (!(await this.#step(this.#peer))) this.#lose();
    }
    this.#lose();
  }

  #lose(): void {
    this.#peer?.close();
    this.#peer = undefined;
  }

  /** Connects, registers or resumes, and has the last reply once more. */
  async #open(): Promise<RawPeer | undefined> {
    const peer = await RawPeer.open(this.#port);
    if (peer === undefined) return undefined;
    const isReady = (await this.#resume(peer)) && (await this.#repeat(peer));
    if (isReady) return peer;
    peer.close();
    return undefined;
  }

  async #resume(peer: RawPeer): Promise<boolean> {
    const answer = await peer.ask(frame(REGISTER, bytesOf(this.#id), {}));
    if (answer === undefined) return false;
    const [kind, , session, request] = valuesOf(answer) as [number, unknown, number, number];
    if (kind === ERROR) return this.#refused(valuesOf(answer));
    if (kind !== REGISTERED) return this.#wrong(`the register gave ${show(answer)}`);
    if (this.#session === 0) {
      // Perhaps of a register whose answer was lost: it has executed nothing.
      this.#session = session;
      return request === 0 || this.#wrong(`new, and at request ${request}`);
    }
    if (session !== this.#session) {
      if (this.#world.evicts && session > this.#session) return this.#begin(session);
      return this.#wrong(`has session ${session}, not ${this.#session}`);
    }
    const mayBe = this.#inFlight === undefined ? [this.#request] : [this.#request, this.#next];
    return mayBe.includes(request) || this.#wrong(`is at ${request}, not ${mayBe.join(' or ')}`);
  }

  /** It was evicted meanwhile, and this is a new session. */
  #begin(session: number): boolean {
    this.#world.tally.evictions += 1;
    this.#forget();
    this.#session = session;
    return true;
  }

  get #next(): number {
    return this.#request + 1;
  }

  async #repeat(peer: RawPeer): Promise<boolean> {
    const acknowledged = this.#acknowledged;
    if (acknowledged === undefined) return true;
    const again = await peer.ask(acknowledged.bytes);
    if (again === undefined) return false;
    const [kind, code] = valuesOf(again);
    // What was in flight has been executed: the one before is no longer stored.
    if (kind === ERROR && code === 'request_stale' && this.#inFlight !== undefined) return true;
    if (kind === ERROR) return this.#refused(valuesOf(again));
    if (kind === EVICTION && this.#world.evicts) return this.#evicted();
    this.#world.tally.replays += 1;
    if (Buffer.compare(again, acknowledged.reply) === 0) return true;
    return this.#wrong(`got ${show(again)} again, not ${show(acknowledged.reply)}`);
  }

  async #step(peer: RawPeer): Promise<boolean> {
    if (this.#session === 0) return this.#resume(peer);
    this.#inFlight ??= this.#newRequest(peer);
    const { bytes, step } = this.#inFlight;
    const answer = await peer.ask(bytes);
    if (answer === undefined) return false;
    const values = valuesOf(answer);
    if (values[0] === ERROR) return this.#refused(values);
    if (values[0] === EVICTION && this.#world.evicts) return this.#evicted();
    const [kind, , session, request, status, body] = values;
    const isRight =
      kind === REPLY &&
      session === this.#session &&
      request === this.#next &&
      (step.fails ? status !== 0 : status === 0 && isSame(body, step.reply));
    this.#world.tally.acknowledged += 1;
    this.#request += 1;
    this.#acknowledged = { bytes, reply: answer };
    this.#inFlight = undefined;
    this.#state = step.after;
    return isRight || this.#wrong(`request ${this.#request}, ${step.operation}: ${show(answer)}`);
  }

  #newRequest(peer: RawPeer): Sent {
    const step = nextStep(this.#world.service, this.#state, this.#random);
    const { operation, body } = step;
    return { step, bytes: peer.request(this.#id, this.#session, this.#next, operation, body) };
  }

  #evicted(): boolean {
    const { tally, ended } = this.#world;
    tally.evictions += 1;
    ended.push({ id: this.#id, session: this.#session, request: this.#request });
    this.#forget();
    this.#id = this.#random.id();
    // Another word about it may be on its way: it would be taken for an answer.
    return false;
  }

  #forget(): void {
    this.#session = 0;
    this.#request = 0;
    this.#acknowledged = undefined;
    this.#inFlight = undefined;
    this.#state = newState(this.#world.service);
  }

  #refused(values: Values): boolean {
    if (PASSING.includes(String(values[1]))) return false;
    return this.#wrong(`was refused: ${JSON.stringify(values.slice(0, 3))}`);
  }

  #wrong(what: string): false {
    this.#world.tally.violated(`${this.#id} (frame by frame) ${what}`);
    return false;
  }
}

function show(bytes: Uint8Array): string {
  return JSON.stringify(valuesOf(bytes)).slice(0, 300);
}

/** The server is away: a little later it may be back. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
