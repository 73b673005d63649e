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
  /** Default 127.0.0.1. Elsewhere than on a loopback address only with tokens and `insecure`. */
  readonly operatorHost?: string;
}

export const OPERATOR_HOST_DEFAULT = '127.0.0.1';

/**
 * Where to listen; undefined for nowhere. Throws `InvalidOptionError`.
 *
 * @param options with `insecure`, which the front end has checked: this HTTP has no TLS, so that
 *   beyond loopback tokens can be read on the way
 */
export function checkOperating(
  options: OperatingOptions & { readonly insecure?: boolean | undefined },
  hasTokens: boolean,
): { readonly host: string; readonly port: number } | undefined {
  const { operatorPort = 'off', operatorHost: host = OPERATOR_HOST_DEFAULT } = options;
  if (operatorPort === 'off') return undefined;
  const port = integerOption('operatorPort', operatorPort, 0, 65_535);
  if (typeof host !== 'string' || host === '') {
    throw new InvalidOptionError('operatorHost', host, 'the name or address to listen on');
  }
  if (isLoopback(host) || (hasTokens && options.insecure === true)) return { host, port };
  const expected =
    'a loopback address, such as 127.0.0.1, unless tokens are configured and the network is to ' +
    'be trusted (say insecure): they are sent as they are';
  throw new InvalidOptionError('operatorHost', host, expected);
}

/** The port of a server's operators when none was chosen: one that is free beside a free one. */
export function defaultOperatorPort(port: number | undefined): number {
  return port === 0 ? 0 : OPERATOR_PORT_DEFAULT;
}
