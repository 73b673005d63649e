/**
 * Where the operator's HTTP listens, checked.
 */
import { InvalidOptionError, integerOption } from '../core/errors.ts';
import { isLoopback } from './guard.ts';
import { OPERATOR_PORT_DEFAULT } from './limits.ts';

export interface OperatingOptions {
  /**
   * The port of the operator's HTTP: console, metrics, probes. 0 picks a free one. Default: `off`;
   * `sessile serve` has it on 7378.
   */
  readonly operatorPort?: number | 'off';
  /** Default 127.0.0.1. Elsewhere than on a loopback address tokens are needed. */
  readonly operatorHost?: string;
}

export const OPERATOR_HOST_DEFAULT = '127.0.0.1';

/** Where to listen; undefined for nowhere. Throws `InvalidOptionError`. */
export function checkOperating(
  options: OperatingOptions,
  hasTokens: boolean,
): { readonly host: string; readonly port: number } | undefined {
  const { operatorPort = 'off', operatorHost: host = OPERATOR_HOST_DEFAULT } = options;
  if (operatorPort === 'off') return undefined;
  const port = integerOption('operatorPort', operatorPort, 0, 65_535);
  if (typeof host !== 'string' || host === '') {
    throw new InvalidOptionError('operatorHost', host, 'the name or address to listen on');
  }
  if (isLoopback(host) || hasTokens) return { host, port };
  const expected = 'a loopback address, such as 127.0.0.1, unless tokens are configured';
  throw new InvalidOptionError('operatorHost', host, expected);
}

/** The port of a server's operators when none was chosen: one that is free beside a free one. */
export function defaultOperatorPort(port: number | undefined): number {
  return port === 0 ? 0 : OPERATOR_PORT_DEFAULT;
}
