/**
 * Who may use the operator's HTTP. On a loopback address whoever has an account on the machine
 * may; what a browser there is made to send by somebody's page is told by its Host header (a name
 * that was rebound to a loopback address) or by a missing header of our own (a form, an image).
 * Anywhere else a token of the role `operator` is needed, and a certificate where clients need one;
 * a token that is shown counts everywhere.
 */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Authenticator } from '../security/authenticator.ts';
import { CERTIFICATE_NEEDED, showedCertificate } from '../security/tls.ts';
import { isLoopback } from '../transport/address-counts.ts';
import { Refusal } from './refusal.ts';

/** What another site's page cannot send without asking first, which nobody answers. */
const CONSOLE_HEADER = 'x-sessile-console';

const HOST = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i;

export class Guard {
  readonly #host: string;
  readonly #authenticator: Authenticator | undefined;
  readonly #isLocal: boolean;
  readonly #isMutual: boolean;

  /**
   * @param host the address listened on
   * @param isMutual whether there is TLS that asks for certificates of clients
   */
  constructor(host: string, authenticator: Authenticator | undefined, isMutual: boolean) {
    this.#host = host;
    this.#isMutual = isMutual;
    this.#authenticator = authenticator;
    this.#isLocal = isLoopback(host);
  }

  /** Throws a `Refusal` unless the request names this server. */
  checkHost(request: IncomingMessage): void {
    if (!this.#isLocal) return;
    const name = HOST.exec(request.headers.host ?? '')?.[1]
      .toLowerCase()
      .replace(/^\[|\]$/g, '');
    if (name !== undefined && (isLoopback(name) || name === this.#host)) return;
    throw new Refusal(421, 'wrong_host', 'the Host header does not name this server');
  }

  /** Throws a `Refusal` unless the client showed a certificate, where one is asked for. */
  checkCertificate({ socket }: IncomingMessage): void {
    if (!this.#isMutual || showedCertificate(socket as TLSSocket)) return;
    throw new Refusal(403, 'forbidden', CERTIFICATE_NEEDED);
  }

  /** Throws unless the request comes from whom it should, for what is not open to all. */
  async checkBearer(request: IncomingMessage): Promise<void> {
    const { authorization } = request.headers;
    if (this.#authenticator === undefined) return;
    if (this.#isLocal && authorization === undefined) return;
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) {
      const text = 'a token of an operator is needed: give it as Authorization: Bearer TOKEN';
      throw new Refusal(401, 'unauthorized', text, { 'www-authenticate': 'Bearer' });
    }
    const { roles } = await this.#authenticator.authenticate(token);
    if (roles.has('operator')) return;
    throw new Refusal(403, 'forbidden', 'the token is not one of an operator');
  }

  /** Throws unless a page of ours, or a program, meant to send what changes something. */
  checkIntent(request: IncomingMessage): void {
    if (request.headers[CONSOLE_HEADER] === '1') return;
    throw new Refusal(
      403,
      'forbidden',
      `what changes something needs the header ${CONSOLE_HEADER}: 1`,
    );
  }
}
