/**
 * The network of a simulated world: sockets and a server with the surface that the real code uses
 * of `node:net`. Bytes take random times, arrive in random pieces, and lie in buffers of limited
 * size between; connections are refused, cut, and cut off for a while.
 */
import { EventEmitter } from 'node:events';
import type { Random } from './random.ts';
import type { Scheduler, Thread } from './scheduler.ts';
import { SimulatedSocket } from './socket.ts';

export interface NetworkOptions {
  /** How long bytes take, at most. */
  readonly latencyMs: number;
  /** Bytes that lie between two sockets before the sender has to wait. */
  readonly bufferBytes: number;
  /** Whether large writes arrive in pieces. */
  readonly splits: boolean;
}

/** Socket descriptors of the world: far above what the real system gives. */
const DESCRIPTORS_FROM = 2 ** 30;

export class Network {
  readonly #sockets = new Map<number, SimulatedSocket>();
  #lastDescriptor = DESCRIPTORS_FROM;
  #server: SimulatedServer | undefined;
  /** Connected, and not accepted yet. */
  readonly #arriving = new Set<SimulatedSocket>();
  /** Nothing arrives before this. */
  partedUntilMs = 0;
  cuts = 0;
  /** Clients that the server has stopped reading. */
  stalls = 0;
  /** Sees what the server writes, before it is on its way. */
  tap: (socket: SimulatedSocket, bytes: Uint8Array) => void = () => {};

  constructor(
    readonly scheduler: Scheduler,
    readonly random: Random,
    readonly options: NetworkOptions,
  ) {}

  latencyMs(): number {
    const waitMs = Math.max(0, this.partedUntilMs - this.scheduler.nowMs);
    return waitMs + this.random.unit() ** 2 * this.options.latencyMs;
  }

  isSocket(fd: number): boolean {
    return fd > DESCRIPTORS_FROM;
  }

  /** As much as goes now of bytes that are written without waiting. */
  writeNow(fd: number, bytes: Uint8Array, at: number, length: number): number {
    const socket = this.#sockets.get(fd);
    if (socket === undefined || socket.destroyed) throw new Error('EPIPE');
    return socket.writeNow(bytes.subarray(at, at + length));
  }

  connect(options: { readonly host: string; readonly port: number }): SimulatedSocket {
    const socket = this.#socket(this.scheduler.current, false);
    this.scheduler.after(this.latencyMs(), () => this.#arrive(socket, options.port));
    return socket;
  }

  /** A connection comes to the server, or finds none. */
  #arrive(socket: SimulatedSocket, port: number): void {
    if (socket.destroyed) return;
    const server = this.#server;
    if (server === undefined || !server.isListening || server.port !== port) {
      const error = Object.assign(new Error('ECONNREFUSED'), { code: 'ECONNREFUSED' });
      this.scheduler.after(this.latencyMs(), () => socket.destroy(error), socket.thread);
      return;
    }
    this.#arriving.add(socket);
    this.scheduler.turn(() => {
      this.#arriving.delete(socket);
      if (socket.destroyed) return;
      if (!server.isListening) return socket.tear();
      const accepted = this.#socket(server.thread, true);
      accepted.pairWith(socket);
      server.accepted(accepted);
      server.listener(accepted);
      this.scheduler.after(this.latencyMs(), () => socket.connected(), socket.thread);
    }, server.thread);
  }

  #socket(thread: Thread, isServers: boolean): SimulatedSocket {
    this.#lastDescriptor += 1;
    const socket = new SimulatedSocket(this, thread, this.#lastDescriptor, isServers);
    this.#sockets.set(socket.fd, socket);
    return socket;
  }

  forget(socket: SimulatedSocket): void {
    this.#sockets.delete(socket.fd);
  }

  createServer(listener: (socket: SimulatedSocket) => void): SimulatedServer {
    this.#server = new SimulatedServer(this.scheduler, listener);
    return this.#server;
  }

  /** Connections that are open on the server's side. */
  get open(): SimulatedSocket[] {
    return [...this.#sockets.values()].filter((socket) => socket.isServers && !socket.destroyed);
  }

  /** Cuts one connection, as a machine between would: both sides find out by themselves. */
  cutOne(): void {
    const { open } = this;
    if (open.length === 0) return;
    this.cuts += 1;
    this.random.pick(open).cut();
  }

  /** The server's process is gone: its side of all connections, and what it listened on. */
  dropServer(): void {
    this.#server?.drop();
    this.#server = undefined;
    for (const socket of this.open) socket.abandoned();
    for (const socket of this.#arriving) socket.tear();
    this.#arriving.clear();
  }
}

/** The part of `net.Server` that a front end uses. */
export class SimulatedServer extends EventEmitter {
  readonly thread: Thread;
  isListening = false;
  port = 0;
  readonly #connections = new Set<SimulatedSocket>();
  #closed: (() => void) | undefined;

  constructor(
    readonly scheduler: Scheduler,
    readonly listener: (socket: SimulatedSocket) => void,
  ) {
    super();
    this.thread = scheduler.current;
  }

  listen(options: { port: number }, done: () => void): this {
    this.port = options.port;
    this.scheduler.turn(() => {
      this.isListening = true;
      done();
    });
    return this;
  }

  address(): { port: number } {
    return { port: this.port };
  }

  accepted(socket: SimulatedSocket): void {
    this.#connections.add(socket);
    socket.once('close', () => {
      this.#connections.delete(socket);
      this.#tellClosed();
    });
  }

  close(done: () => void): this {
    this.isListening = false;
    this.#closed = done;
    this.scheduler.turn(() => this.#tellClosed(), this.thread);
    return this;
  }

  #tellClosed(): void {
    if (this.#connections.size > 0) return;
    const done = this.#closed;
    this.#closed = undefined;
    done?.();
  }

  drop(): void {
    this.isListening = false;
  }
}
