/**
 * The way in: what a server listens on, who finds room, and TLS. What comes out of it are sockets
 * with the bytes of frames.
 *
 * A port with TLS looks at the first byte of a connection before it begins: whoever speaks plainly
 * is told so in a frame, which they can read.
 */
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { ErrorCode } from '../core/codes.ts';
import { SessileError } from '../core/errors.ts';
import {
  CERTIFICATE_NEEDED,
  showedCertificate,
  TLS_HANDSHAKE,
  type TlsContext,
} from '../security/tls.ts';
import { AddressCounts, addressKey } from './address-counts.ts';
import { errorFrame } from './answer-frames.ts';
import type { ConnectionEvents } from './connection-events.ts';
import { roomForConnections } from './descriptors.ts';
import type { Notices } from './notices.ts';
import { listenOnPath } from './unix-socket.ts';

export interface EntranceConfig {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** A Unix socket beside the port. */
  readonly socket?: string | undefined;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Also the time for what comes before hello. */
  readonly helloTimeoutMs: number;
  /** With TLS on the port. */
  readonly tls?: TlsContext | undefined;
}

export interface EntranceHost {
  readonly notices: Notices;
  readonly events: ConnectionEvents;
  /** Takes a connection on; with a problem, to tell it that and nothing else. */
  enter(socket: Socket, problem: string | undefined): void;
  /** A connection came to nothing before that. */
  turnedAway(): void;
}

interface Arriving {
  readonly socket: Socket;
  readonly late: NodeJS.Timeout;
}

export class Entrance {
  readonly #config: EntranceConfig;
  readonly #host: EntranceHost;
  readonly #listener: NetServer;
  readonly #unix: NetServer | undefined;
  #leavePath: (() => void) | undefined;
  readonly #tls: TlsServer | undefined;
  readonly #addresses: AddressCounts;
  /** Those that have not finished the handshake of TLS yet, by the other end. */
  readonly #arriving = new Map<string, Arriving>();
  /** Open connections, of those that found room, and how many there may be. */
  #entered = 0;
  #enteredMax: number;

  constructor(config: EntranceConfig, host: EntranceHost) {
    this.#config = config;
    this.#host = host;
    this.#enteredMax = config.connectionsMax;
    this.#addresses = new AddressCounts(config.connectionsPerAddressMax);
    const { tls, socket } = config;
    const accept = { pauseOnConnect: true };
    this.#listener = createServer(accept, (accepted) => this.#arrive(accepted, tls !== undefined));
    if (socket !== undefined) this.#unix = createServer(accept, (a) => this.#arrive(a, false));
    if (tls !== undefined) this.#tls = this.#tlsServer(tls);
  }

  /** Rejects with code `cannot_listen` if an address is not to be had. Resolves with the port. */
  async listen(): Promise<number> {
    const { host, port, socket } = this.#config;
    this.#heedDescriptors();
    const actual = await new Promise<number>((resolve, reject) => {
      this.#listener.once('error', (error) => {
        const text = `cannot listen on ${host}:${port}: ${error.message}`;
        reject(new SessileError('cannot_listen', text, { host, port }));
      });
      this.#listener.listen({ host, port, backlog: 1024 }, () => {
        this.#heed(this.#listener);
        const bound = this.#listener.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
    if (socket === undefined || this.#unix === undefined) return actual;
    try {
      this.#leavePath = await listenOnPath(this.#unix, socket);
    } catch (error) {
      this.#listener.close();
      throw error;
    }
    this.#heed(this.#unix);
    return actual;
  }

  /** By now the engine has opened its files. */
  #heedDescriptors(): void {
    const room = roomForConnections();
    if (room === undefined || room >= this.#enteredMax) return;
    const text = `the limit of open files leaves room for ${room} connections, `;
    this.#host.notices.say('files', `${text}not ${this.#enteredMax}: raise it (ulimit -n)`);
    this.#enteredMax = room;
  }

  /** From when a server listens, an error concerns a connection that could not be accepted. */
  #heed(server: NetServer): void {
    server.on('error', (error) => this.#host.events.acceptFailed(error));
  }

  /** What new connections are served with from now on. */
  renew(tls: TlsContext): void {
    this.#tls?.setSecureContext(tls);
  }

  /** Takes no more connections. Resolves when all are closed. */
  close(): Promise<void> {
    for (const { socket } of this.#arriving.values()) socket.destroy();
    const servers = [this.#listener, this.#unix].filter((server) => server?.listening === true);
    const closed = servers.map(
      (server) => new Promise<void>((done) => server?.close(() => done())),
    );
    this.#leavePath?.();
    this.#leavePath = undefined;
    return Promise.all(closed).then(() => {});
  }

  #arrive(socket: Socket, isTls: boolean): void {
    const key = addressKey(socket.remoteAddress);
    const problem = this.#problem(key);
    if (problem === undefined) this.#stay(socket, key);
    if (!isTls) return this.#host.enter(socket, problem);
    if (problem === undefined) return this.#begin(socket);
    this.#host.turnedAway();
    socket.destroy();
  }

  #problem(key: string | undefined): string | undefined {
    const { connectionsPerAddressMax } = this.#config;
    const { notices } = this.#host;
    const isFull = this.#entered >= this.#enteredMax;
    if (isFull) return 'the server has as many connections as it takes';
    if (this.#addresses.enter(key)) return undefined;
    const text = `connections of ${key} are refused: it has ${connectionsPerAddressMax} already`;
    notices.say('address', text);
    return 'the server has as many connections of this address as it takes';
  }

  #stay(socket: Socket, key: string | undefined): void {
    this.#entered += 1;
    socket.once('close', () => {
      this.#entered -= 1;
      this.#addresses.leave(key);
    });
  }

  /** Waits for the first bytes, which say whether this is TLS, and for the end of its handshake. */
  #begin(socket: Socket): void {
    const peer = peerOf(socket);
    const late = setTimeout(() => socket.destroy(), this.#config.helloTimeoutMs);
    this.#arriving.set(peer, { socket, late });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      if (this.#arrived(peer)) this.#host.turnedAway();
    });
    socket.once('readable', () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) socket.destroy();
      else if (chunk[0] !== TLS_HANDSHAKE) this.#refusePlain(socket);
      else {
        socket.unshift(chunk);
        this.#tls?.emit('connection', socket);
      }
    });
  }

  /** Forgets one that was arriving; false if it was not. */
  #arrived(peer: string): boolean {
    clearTimeout(this.#arriving.get(peer)?.late);
    return this.#arriving.delete(peer);
  }

  #refusePlain(socket: Socket): void {
    this.#host.notices.say('plain', 'a client that speaks no TLS was refused');
    socket.end(errorFrame(ErrorCode.TLS_REQUIRED), () => socket.destroy());
  }

  #tlsServer(tls: TlsContext): TlsServer {
    const { notices } = this.#host;
    const isMutual = tls.ca !== undefined;
    // One without a good certificate is not cut off in the handshake: it is told what it lacks.
    const server = createTlsServer({ ...tls, requestCert: isMutual, rejectUnauthorized: false });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      const why = error.code ?? error.message;
      // It is no failure of theirs that the server stops.
      if (this.#listener.listening) notices.say('tls', `a TLS handshake failed: ${why}`);
      socket.destroy();
    });
    server.on('secureConnection', (socket) => {
      this.#arrived(peerOf(socket));
      if (!isMutual || showedCertificate(socket)) this.#host.enter(socket, undefined);
      else this.#refuseCertificate(socket);
    });
    return server;
  }

  #refuseCertificate(socket: Socket): void {
    this.#host.turnedAway();
    this.#host.notices.say('tls', 'a client without an accepted certificate was refused');
    socket.on('error', () => socket.destroy());
    socket.end(errorFrame(ErrorCode.UNAUTHORIZED, CERTIFICATE_NEEDED), () => socket.destroy());
  }
}

/** Names the other end of a TCP connection; a TLS socket has the same one as what it lies over. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
