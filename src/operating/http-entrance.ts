/**
 * The way in to the operator's HTTP, plain or over TLS. The first byte of a connection says which
 * of the two its client speaks. Whoever speaks the wrong one is told so in plain HTTP, which most
 * programs show in one way or another, and nobody reads further what they sent.
 */
import { createServer as createHttpServer, type RequestListener, STATUS_CODES } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { assert } from '../core/assert.ts';
import { TLS_HANDSHAKE, type TlsContext } from '../security/tls.ts';
import { AddressCounts, addressKey } from '../transport/address-counts.ts';
import type { Notices } from '../transport/notices.ts';
import {
  HTTP_CONNECTIONS_MAX,
  HTTP_CONNECTIONS_PER_ADDRESS_MAX,
  HTTP_HEADER_BYTES_MAX,
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_IDLE_MS,
  HTTP_KEEP_ALIVE_MS,
  HTTP_REQUEST_TIMEOUT_MS,
} from './limits.ts';

const OPTIONS = {
  maxHeaderSize: HTTP_HEADER_BYTES_MAX,
  headersTimeout: HTTP_HEADERS_TIMEOUT_MS,
  requestTimeout: HTTP_REQUEST_TIMEOUT_MS,
  keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
  connectionsCheckingInterval: HTTP_HEADERS_TIMEOUT_MS,
};

type Begin = (this: Server, socket: Socket) => void;

export class HttpEntrance {
  /** What listens. */
  readonly server: Server;
  readonly #https: HttpsServer | undefined;
  readonly #notices: Notices;
  /** Open connections, at most `HTTP_CONNECTIONS_MAX`. */
  readonly #sockets = new Set<Socket>();
  readonly #addresses = new AddressCounts(HTTP_CONNECTIONS_PER_ADDRESS_MAX);
  readonly #begin: Begin;

  constructor(tls: TlsContext | undefined, notices: Notices, listener: RequestListener) {
    this.#notices = notices;
    this.#https = tls === undefined ? undefined : httpsServer(tls, notices, listener);
    const server = this.#https ?? createHttpServer(OPTIONS, listener);
    server.setTimeout(HTTP_IDLE_MS);
    server.maxConnections = HTTP_CONNECTIONS_MAX;
    server.on('clientError', answerBadRequest);
    // What begins a connection comes second now, after a look at its first byte.
    const [begin, ...others] = server.listeners('connection');
    assert(begin !== undefined && others.length === 0, 'one listener begins connections');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => this.#arrive(socket));
    this.#begin = begin as Begin;
    this.server = server;
  }

  /** What new connections are served with from now on. */
  renew(tls: TlsContext): void {
    this.#https?.setSecureContext(tls);
  }

  /** Takes no more connections, and closes those that are open. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #arrive(socket: Socket): void {
    const key = addressKey(socket.remoteAddress);
    if (!this.#addresses.enter(key)) {
      const text = `connections of ${key} to the operator port are refused: it has`;
      this.#notices.say('operator_address', `${text} ${this.#addresses.max} already`);
      socket.destroy();
      return;
    }
    const late = setTimeout(() => socket.destroy(), HTTP_HEADERS_TIMEOUT_MS);
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(late);
      this.#sockets.delete(socket);
      this.#addresses.leave(key);
    });
    socket.once('readable', () => {
      clearTimeout(late);
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return socket.destroy();
      const isTls = chunk[0] === TLS_HANDSHAKE;
      if (isTls !== (this.#https !== undefined)) return this.#refuse(socket, isTls);
      socket.unshift(chunk);
      this.#begin.call(this.server, socket);
    });
  }

  #refuse(socket: Socket, isTls: boolean): void {
    const [wrong, right] = isTls ? ['HTTPS', 'plain HTTP'] : ['plain HTTP', 'HTTPS'];
    const text = `who speaks ${wrong} to the operator port was refused: it speaks ${right}`;
    this.#notices.say(isTls ? 'operator_tls' : 'operator_plain', text);
    socket.end(refusalText(400, `this port speaks ${right}, not ${wrong}`), () => socket.destroy());
  }
}

function httpsServer(tls: TlsContext, notices: Notices, listener: RequestListener): HttpsServer {
  const server = createHttpsServer(
    {
      ...OPTIONS,
      ...tls,
      handshakeTimeout: HTTP_HEADERS_TIMEOUT_MS,
      // One without a good certificate is not cut off in the handshake: it is told what it lacks.
      requestCert: tls.ca !== undefined,
      rejectUnauthorized: false,
    },
    listener,
  );
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => {
    // It is no failure of theirs that the server stops.
    if (!server.listening) return;
    const why = error.code ?? error.message;
    notices.say('operator_tls', `a TLS handshake at the operator port failed: ${why}`);
  });
  return server;
}

/**
 * To who sends what is no request, or none in time. Node's own answer would be lost where another
 * write of TLS is under way, as at the end of a handshake: it lets go of the socket at once.
 */
function answerBadRequest({ code = '' }: NodeJS.ErrnoException, socket: Duplex): void {
  const isLate = code === 'ERR_HTTP_REQUEST_TIMEOUT';
  // What else fails is the connection, or its handshake.
  if (!socket.writable || !(isLate || code.startsWith('HPE_'))) return void socket.destroy();
  let text = refusalText(400, 'this is no HTTP request');
  if (isLate) text = refusalText(408, 'the request did not come in time');
  if (code === 'HPE_HEADER_OVERFLOW') {
    text = refusalText(431, `the headers have more than ${HTTP_HEADER_BYTES_MAX} bytes`);
  }
  socket.end(text, () => socket.destroy());
}

function refusalText(status: number, message: string): string {
  const body = JSON.stringify({ code: 'malformed_request', message });
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
