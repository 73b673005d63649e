/**
 * HTTP for whoever operates a server: the console page, metrics, probes, and the operator's calls.
 * On an address of its own, so that what clients reach and what operators reach can differ.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SessileError } from '../core/errors.ts';
import { type EventLog, NO_LOG } from '../core/event-log.ts';
import { LogState } from '../core/log-buffer.ts';
import type { Authenticator } from '../security/authenticator.ts';
import type { TlsContext } from '../security/tls.ts';
import { failureText } from '../services/context.ts';
import { ConnectionEvents } from '../transport/connection-events.ts';
import type { Notices } from '../transport/notices.ts';
import type { Address } from '../transport/server.ts';
import type { Operator } from '../workers/operator.ts';
import type { Router } from '../workers/router.ts';
import { readAssets } from './assets.ts';
import { Guard } from './guard.ts';
import { History } from './history.ts';
import { HttpEntrance } from './http-entrance.ts';
import { HISTORY_INTERVAL_MS } from './limits.ts';
import { Metrics } from './metrics.ts';
import { Refusal, refusalOf } from './refusal.ts';
import { json, type Operated, type Result, route } from './routes.ts';
import { sampleOf } from './sample.ts';

export interface OperatorServerConfig {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly authenticator: Authenticator | undefined;
  /** With it HTTPS is spoken. */
  readonly tls?: TlsContext | undefined;
  /** Hears of those who cannot be served at all. */
  readonly notices: Notices;
  /** Told of faults of the server's own. */
  readonly log?: EventLog;
  readonly router: Router;
  /** The engine's own, which stops when the engine does. */
  readonly operator: Operator;
  /** Whether the front end has begun to stop. */
  isStopping(): boolean;
}

export interface OperatorAddress extends Address {
  readonly protocol: 'http' | 'https';
}

/** For every answer: what a browser must not make of it. */
const HEADERS = {
  'content-security-policy': "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

export class OperatorServer {
  readonly #config: OperatorServerConfig;
  readonly #log: EventLog;
  readonly #operated: Operated;
  readonly #history: History;
  readonly #entrance: HttpEntrance;
  #timer: NodeJS.Timeout | undefined;

  constructor(config: OperatorServerConfig) {
    const { router, operator, host, authenticator, tls, notices } = config;
    this.#config = config;
    this.#log = config.log ?? NO_LOG;
    this.#history = new History(sampleOf(router));
    this.#operated = {
      operator,
      metrics: new Metrics(() => operator.status()),
      history: this.#history,
      assets: readAssets(),
      guard: new Guard(host, authenticator, tls?.ca !== undefined),
      isAlive: () => !router.stopped,
      isReady: () => !router.stopped && !config.isStopping() && isWritable(router),
    };
    this.#entrance = new HttpEntrance(tls, notices, (request, response) => {
      void this.#handle(request, response);
    });
  }

  /** Begins to listen. Rejects with code `cannot_listen` if the address is not to be had. */
  listen(): Promise<OperatorAddress> {
    const { host, port, tls } = this.#config;
    const { server } = this.#entrance;
    return new Promise((resolve, reject) => {
      server.once('error', (error) => {
        const text = `cannot listen on ${host}:${port} for operators: ${error.message}`;
        const advice = 'choose another operator port, or switch it off';
        reject(new SessileError('cannot_listen', `${text}; ${advice}`, { host, port }));
      });
      server.listen({ host, port }, () => {
        const events = new ConnectionEvents(this.#log);
        server.on('error', (error) => events.acceptFailed(error));
        const tick = (): void => this.#history.add(sampleOf(this.#config.router));
        this.#timer = setInterval(tick, HISTORY_INTERVAL_MS).unref();
        const protocol = tls === undefined ? 'http' : 'https';
        resolve({ host, port: (server.address() as AddressInfo).port, protocol });
      });
    });
  }

  /** What new connections are served with from now on, if they are over TLS. */
  renewTls(tls: TlsContext): void {
    this.#entrance.renew(tls);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#entrance.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let result: Result;
    try {
      this.#operated.guard.checkHost(request);
      checkBody(request);
      result = await route(request, this.#operated);
    } catch (error) {
      const { status, code, message, headers } = refusalOf(error);
      if (status === 500) this.#log.error('operator_failed', { message: failureText(error) });
      if (status === 401 || status === 403) {
        const address = request.socket.remoteAddress ?? '';
        this.#log.warn('operator_refused', { code, address });
      }
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      result = json({ code, message }, status);
    }
    response.writeHead(result.status, {
      ...HEADERS,
      'content-type': result.type,
      'content-length': Buffer.byteLength(result.body),
      'cache-control': result.mayKeep === true ? 'no-cache' : 'no-store',
    });
    response.end(request.method === 'HEAD' ? undefined : result.body);
  }
}

/** No path takes a body, so none is read. */
function checkBody({ headers }: IncomingMessage): void {
  const length = headers['content-length'] ?? '0';
  if (headers['transfer-encoding'] === undefined && Number(length) === 0) return;
  throw new Refusal(413, 'body_too_large', 'no path takes a body', { connection: 'close' });
}

/** Whether no shard waits for room on its disk. */
function isWritable({ ports }: Router): boolean {
  return ports.every(
    ({ table }) => table.log === undefined || table.log.buffer.state === LogState.OK,
  );
}
