/**
 * The clients of a soak that mean harm or know no better: they connect and say nothing, leave in
 * the middle of a frame, send what is none, ask for more than they read. A server must get rid of
 * each of them in the end, and keep nothing.
 */
import { connect, type Socket } from 'node:net';
import { encode } from '@msgpack/msgpack';
import type { Random } from '../crash/random.ts';
import { framed } from '../interop/raw-connection.ts';
import { type Actor, type Company, pause } from './load.ts';

const HELLO = framed(encode([0, 1, {}]));
const PING = 4;
const BIG = 'x'.repeat(3_000);
/** The server waits 10 s for a hello. */
const CLOSED_WITHIN_MS = 30_000;

/** Each ends the connection by itself: a length that is none, one too long, a kind that is none. */
const MALFORMED: readonly Uint8Array[] = [
  Uint8Array.of(0x00),
  Uint8Array.of(0xc1, 1, 2, 3),
  Uint8Array.of(0xff),
  Uint8Array.of(0xce, 0xff, 0xff, 0xff, 0xff),
  framed(encode([99, 1])),
  framed(encode([2, 'no id', 1, 1, 1, null])),
  framed(encode([PING])),
  framed(Uint8Array.of(0x95, 0xc1)),
];

export class Hostile implements Actor {
  readonly #company: Company;
  readonly #port: number;
  readonly #random: Random;

  constructor(company: Company, port: number) {
    this.#company = company;
    this.#port = port;
    this.#random = company.random.fork();
  }

  async step(): Promise<void> {
    const socket = await this.#connect();
    if (socket === undefined) return pause(20);
    try {
      await this.#harm(socket);
    } finally {
      socket.destroy();
    }
    await pause(this.#random.below(30));
  }

  async #harm(socket: Socket): Promise<void> {
    const kind = this.#random.below(100);
    if (kind < 40) return this.#did('dropped');
    if (kind < 50) return this.#reset(socket);
    if (kind < 70) return this.#half(socket);
    if (kind < 97) return this.#malformed(socket);
    if (kind < 99) return this.#slow(socket);
    return this.#silent(socket);
  }

  #did(what: string): void {
    this.#company.happened.count(`hostile: ${what}`);
  }

  /** Greets, asks, and is gone without a word. */
  async #reset(socket: Socket): Promise<void> {
    socket.write(Buffer.concat([HELLO, framed(encode([PING, BIG]))]));
    await pause(this.#random.below(3));
    socket.resetAndDestroy();
    this.#did('reset');
  }

  /** Leaves in the middle of a frame, with a word or without. */
  async #half(socket: Socket): Promise<void> {
    const bytes = Buffer.concat([HELLO, framed(encode([PING, BIG]))]);
    socket.write(bytes.subarray(0, this.#random.between(1, bytes.length - 1)));
    await pause(this.#random.below(5));
    if (this.#random.chance(50)) socket.end();
    this.#did('half');
  }

  async #malformed(socket: Socket): Promise<void> {
    socket.resume();
    if (this.#random.chance(80)) socket.write(HELLO);
    socket.write(this.#random.pick(MALFORMED));
    await this.#closed(socket);
    this.#did('malformed');
  }

  /** Asks for some megabytes, and reads a little of them now and then, or nothing. */
  async #slow(socket: Socket): Promise<void> {
    const ping = framed(encode([PING, BIG]));
    socket.write(Buffer.concat([HELLO, ...Array.from({ length: 2_000 }, () => ping)]));
    for (let left = this.#random.between(5, 30); left > 0 && !socket.destroyed; left--) {
      await pause(50);
      if (this.#random.chance(70)) socket.read(4_096);
    }
    this.#did('slow');
  }

  async #silent(socket: Socket): Promise<void> {
    socket.resume();
    await this.#closed(socket);
    this.#did('silent');
  }

  /** Waits until the server has closed the connection. */
  async #closed(socket: Socket): Promise<void> {
    const closed = new Promise((resolve) => socket.once('close', () => resolve(true)));
    if (socket.closed || (await Promise.race([closed, pause(CLOSED_WITHIN_MS)])) === true) return;
    this.#company.tally.violated('the server has not closed the connection of a hostile client');
  }

  #connect(): Promise<Socket | undefined> {
    return new Promise((resolve) => {
      const socket = connect({ port: this.#port, host: '127.0.0.1' });
      socket.once('connect', () => resolve(socket));
      // Nobody listens now, or the server went meanwhile.
      socket.on('error', () => resolve(undefined));
    });
  }
}
