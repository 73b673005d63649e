/**
 * Where the operator's HTTP listens, checked.
 */
import { InvalidOptionError, integerOption } from '../core/errors.ts';
import { isLoopback } from '../transport/address-counts.ts';
import { OPERATOR_PORT_DEFAULT } from './limits.ts';

export interface OperatingOptions {
  /**
   * The port of the operator's HTTP: console, metrics, probes. 0 picks a free one. Default: `off`;
   * `sessile serve` has it on 7378.
   */
  readonly operatorPort?: number | 'off';
  /**
   * Default 127.0.0.1. Elsewhere than on a loopback address only with tokens, and over HTTPS with
   * the certificate of the server; without TLS only with `insecure`.
   */
  readonly operatorHost?: string;
}

export const OPERATOR_HOST_DEFAULT = '127.0.0.1';

export interface OperatorPlace {
  readonly host: string;
  readonly port: number;
  /** Whether it speaks HTTPS. On a loopback address it never does: nobody reads along there. */
  readonly isTls: boolean;
}

/**
 * Where to listen; undefined for nowhere. Throws `InvalidOptionError`.
 *
 * @param options with `insecure`, which the front end has checked
 * @param front what the server's own port has
 */
export function checkOperating(
  options: OperatingOptions & { readonly insecure?: boolean | undefined },
  front: { readonly hasTokens: boolean; readonly hasTls: boolean },
): OperatorPlace | undefined {
  const { operatorPort = 'off', operatorHost: host = OPERATOR_HOST_DEFAULT } = options;
  if (operatorPort === 'off') return undefined;
  const port = integerOption('operatorPort', operatorPort, 0, 65_535);
  if (typeof host !== 'string' || host === '') {
    throw new InvalidOptionError('operatorHost', host, 'the name or address to listen on');
  }
  if (isLoopback(host)) return { host, port, isTls: false };
  const { hasTokens, hasTls } = front;
  if (hasTokens && (hasTls || options.insecure === true)) return { host, port, isTls: hasTls };
  const expected =
    'a loopback address, such as 127.0.0.1, unless a token is asked for (give tokens or jwtKey) ' +
    'and there is TLS (give tlsCert and tlsKey) or the network is to be trusted (say insecure)';
  const named = ['tokens', 'jwtKey', 'tlsCert', 'tlsKey', 'insecure'];
  throw new InvalidOptionError('operatorHost', host, expected, named);
}

/** The port of a server's operators when none was chosen: one that is free beside a free one. */
export function defaultOperatorPort(port: number | undefined): number {
  return port === 0 ? 0 : OPERATOR_PORT_DEFAULT;
}
