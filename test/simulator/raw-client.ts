/**
 * A client of a simulated world that speaks the protocol by itself, and badly: it sends frames
 * twice or late, with old numbers and other bodies, in halves, and does not read for a while. Ids
 * are shared with others of its kind. It checks little; the oracle sees what comes of it.
 */
import { decode, encode } from '@msgpack/msgpack';
import { DEFAULT_PORT, ToClient, ToServer } from '../../src/transport/protocol.ts';
import type { Random } from './random.ts';
import { Thread } from './scheduler.ts';
import type { SimulatedSocket } from './socket.ts';
import type { World } from './world.ts';

interface Known {
  session: number;
  request: number;
  /** The last frame of a request, to be sent again. */
  frame: Buffer | undefined;
  /** Connections on which its last frame went. */
  lastSpokeOn: SimulatedSocket | undefined;
}

const OPERATIONS = { step: 1, poke: 2, look: 3, glance: 4, fail: 5 } as const;

/** Their answers are more than a connection may have unsent. A world has time for few. */
const FLOOD_FRAMES = 6_000;
const FLOODS_MAX = 2;

/** Frames sent in one go at most. */
const BURST_MAX = 6;
/** How long it waits for the answer to a ping once nothing goes wrong any more. */
const LAST_PING_MS = 30_000;

export class RawClient {
  readonly thread: Thread;
  isDone = false;
  doing = 'nothing';
  #socket: SimulatedSocket | undefined;
  readonly #known = new Map<string, Known>();
  readonly #oldRegisters: Buffer[] = [];
  /** Those of all requests that it has ever sent. */
  readonly #nonces = new Set<unknown>();
  #floods = 0;
  /** It has sent something on this connection that is no good frame. */
  #isRude = false;
  #pong: ((isThere: boolean) => void) | undefined;

  constructor(
    readonly world: World,
    readonly random: Random,
    index: number,
  ) {
    this.thread = new Thread(`raw client ${index}`);
    world.machine.scheduler.turn(() => void this.#run(), this.thread);
  }

  async #run(): Promise<void> {
    try {
      while (!this.world.isQuiet) await this.#round();
      await this.#last();
      this.isDone = true;
    } catch (error) {
      this.world.failed(error);
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  async #round(): Promise<void> {
    const { random } = this;
    if (this.#socket === undefined) await this.#connect();
    else this.#act(this.#socket);
    await this.#sleep(random.scaled(0.1, 60));
  }

  /** Resolves once it is connected, or is not. */
  #connect(): Promise<void> {
    this.doing = 'connect';
    const socket = this.world.machine.network.connect({ host: 'simulated', port: DEFAULT_PORT });
    // Its own: what the socket before had under way may still arrive.
    let rest: Buffer = Buffer.alloc(0);
    return new Promise((resolve) => {
      socket.on('data', (bytes: Buffer) => {
        rest = this.#frames(Buffer.concat([rest, bytes]));
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        if (this.#socket === socket) this.#socket = undefined;
        this.#pong?.(false);
        resolve();
      });
      socket.on('connect', () => {
        this.#socket = socket;
        this.#isRude = !this.world.isQuiet && this.random.chance(0.05);
        if (!this.#isRude) this.#send([ToServer.HELLO, 1, {}]);
        resolve();
      });
    });
  }

  #send(frame: unknown[]): Buffer {
    const body = Buffer.from(encode(frame));
    const bytes = Buffer.alloc(5 + body.length);
    bytes[0] = 0xce;
    bytes.writeUInt32BE(body.length, 1);
    body.copy(bytes, 5);
    this.#write(bytes);
    return bytes;
  }

  #write(bytes: Buffer): void {
    const socket = this.#socket;
    if (socket !== undefined && !socket.destroyed && socket.writable) socket.write(bytes);
  }

  #act(socket: SimulatedSocket): void {
    const { random, world } = this;
    const what = random.unit();
    if (what < 0.7) {
      for (let i = random.between(1, BURST_MAX); i > 0; i--) this.#speak();
    } else if (what < 0.76) {
      // A reader that does not read, for a while.
      world.oracle.tally.slowReaders += 1;
      socket.pause();
      setTimeout(() => socket.resume(), random.scaled(1, 500));
    } else if (what < 0.8) {
      world.oracle.tally.halfFrames += 1;
      const id = this.#id();
      const bytes = this.#requestFrame(id, this.#knownOf(id), 1);
      this.#write(bytes.subarray(0, random.below(bytes.length)));
      socket.destroy();
    } else if (what < 0.83) this.#flood(socket);
    else if (what < 0.84) {
      this.#isRude = true;
      this.#write(Buffer.from(Array.from({ length: 9 }, () => random.below(256))));
    } else if (what < 0.88) socket.end();
    else if (what < 0.92) socket.destroy();
  }

  /** More duplicates than the server may keep answers to, from one that does not read them. */
  #flood(socket: SimulatedSocket): void {
    const { frame } = this.#knownOf(this.#id());
    if (frame === undefined || this.#floods >= FLOODS_MAX) return;
    this.#floods += 1;
    this.world.oracle.tally.floods += 1;
    socket.pause();
    this.#write(Buffer.concat(new Array(FLOOD_FRAMES).fill(frame)));
    setTimeout(() => socket.resume(), this.random.scaled(1, 100));
  }

  #id(): Buffer {
    return this.world.clientId('shared', this.random.below(this.world.swarm.sharedIds));
  }

  #knownOf(id: Buffer): Known {
    const text = id.toString('hex');
    let known = this.#known.get(text);
    if (known === undefined) {
      known = { session: 0, request: 0, frame: undefined, lastSpokeOn: undefined };
      this.#known.set(text, known);
    }
    return known;
  }

  #requestFrame(id: Buffer, known: Known, step: number): Buffer {
    const { random, world } = this;
    const operation = random.pick([OPERATIONS.step, OPERATIONS.step, OPERATIONS.fail]);
    const body = [world.nonce(), random.below(world.swarm.paddingMax)];
    this.#nonces.add(body[0]);
    const request = Math.max(0, known.request + step);
    const session = known.session;
    const frame = encode([ToServer.REQUEST, id, session, request, operation, body]);
    const bytes = Buffer.alloc(5 + frame.length);
    bytes[0] = 0xce;
    bytes.writeUInt32BE(frame.length, 1);
    bytes.set(frame, 5);
    return bytes;
  }

  /** One frame: mostly what a good client would send, else something that none should. */
  #speak(): void {
    const { random, world } = this;
    const id = this.#id();
    const known = this.#knownOf(id);
    known.lastSpokeOn = this.#socket;
    const what = random.unit();
    if (known.session === 0 || what < 0.1) return this.#register(id);
    if (what < 0.5) {
      known.frame = this.#requestFrame(id, known, 1);
      for (let i = random.chance(0.3) ? 3 : 1; i > 0; i--) this.#write(known.frame);
    } else if (what < 0.65 && known.frame !== undefined) this.#write(known.frame);
    else if (what < 0.7) this.#write(this.#requestFrame(id, known, 2));
    else if (what < 0.75) this.#write(this.#requestFrame(id, known, 0));
    else if (what < 0.8) this.#write(this.#requestFrame(id, { ...known, session: 1 }, 1));
    else if (what < 0.84 && this.#oldRegisters.length > 0) {
      this.#write(random.pick(this.#oldRegisters));
    } else if (what < 0.94) {
      const operation = random.pick([OPERATIONS.poke, OPERATIONS.look, OPERATIONS.glance]);
      const body = [world.nonce(), random.below(world.swarm.paddingMax)];
      this.#send([ToServer.CALL, random.below(1_000), id, operation, body]);
    } else this.#send([ToServer.CLOSE, id, known.session]);
  }

  #register(id: Buffer): void {
    const { random } = this;
    const options: Record<string, unknown> = {};
    if (random.chance(0.5)) options.ttl_ms = Math.round(random.scaled(2, 3_000));
    if (random.chance(0.1)) options.scope = 'connection';
    const frame = this.#send([ToServer.REGISTER, id, options]);
    if (this.#oldRegisters.length < 10) this.#oldRegisters.push(frame);
  }

  /** Takes whole frames; returns what is left. */
  #frames(bytes: Buffer): Buffer {
    let rest = bytes;
    while (rest.length >= 5) {
      const end = 5 + rest.readUInt32BE(1);
      if (rest.length < end) return rest;
      this.#frame(decode(rest.subarray(5, end)) as unknown[]);
      rest = rest.subarray(end);
    }
    return rest;
  }

  #frame(frame: unknown[]): void {
    const [kind, id] = frame;
    if (kind === ToClient.PONG) return this.#pong?.(true);
    if (kind === ToClient.ERROR && id === 'malformed_frame' && !this.#isRude) {
      this.world.oracle.fail(`${this.thread.name} sent good frames, and is told ${frame[2]}`);
    }
    if (!(id instanceof Uint8Array)) return;
    const known = this.#knownOf(Buffer.from(id));
    const session = frame[2] as number;
    if (kind === ToClient.REGISTERED && session >= known.session) {
      known.session = session;
      known.request = frame[3] as number;
    }
    if (session !== known.session) return;
    if (kind === ToClient.REPLY) this.#checkReply(frame[5]);
    if (kind === ToClient.REPLY) known.request = Math.max(known.request, frame[3] as number);
    if (kind === ToClient.EVICTION) {
      known.session = 0;
      known.frame = undefined;
      known.lastSpokeOn = undefined;
    }
  }

  /** Whoever gets a reply has asked with that very body. */
  #checkReply(body: unknown): void {
    if (!Array.isArray(body) || this.#nonces.has(body[0])) return;
    this.world.oracle.fail(`${this.thread.name} is given the reply to somebody else's ${body[0]}`);
  }

  /** The faults have stopped: its server must be there, and answer in order. */
  async #last(): Promise<void> {
    const socket = this.#socket;
    socket?.resume();
    if (socket !== undefined && !this.#isRude && socket.writable) await this.#isAnswered();
    this.#drop();
    for (let tries = 0; tries < 100; tries++) {
      this.doing = 'last connect';
      while (this.#socket === undefined) {
        await this.#connect();
        await this.#sleep(5);
      }
      this.doing = 'last ping';
      if (await this.#isAnswered()) break;
    }
    this.#drop();
  }

  /** Whether a ping is answered; false if the connection ends instead. */
  async #isAnswered(): Promise<boolean> {
    const answered = new Promise<boolean>((resolve) => {
      this.#pong = resolve;
    });
    this.#send([ToServer.PING, 1]);
    const late = setTimeout(() => this.world.failed(new Error('no pong')), LAST_PING_MS);
    const isThere = await answered;
    clearTimeout(late);
    return isThere;
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }
}
