/**
 * What a program may choose about the way in to its server, and the checks on it: where it listens,
 * who may connect, and for how long.
 */
import { InvalidOptionError, integerOption } from '../core/errors.ts';
import { openAuthenticator, type TokenOptions } from '../security/open.ts';
import { readTls, type TlsOptions, wantsTls } from '../security/tls.ts';
import { isLoopback } from './address-counts.ts';
import {
  CONNECTIONS_MAX,
  CONNECTIONS_MAX_DEFAULT,
  CONNECTIONS_PER_ADDRESS_MAX_DEFAULT,
  FRAME_BYTES_MAX,
  FRAME_BYTES_MAX_DEFAULT,
  FRAME_BYTES_MIN,
  FRAME_TIMEOUT_MS_DEFAULT,
  HELLO_TIMEOUT_MS_DEFAULT,
  TIMEOUT_MS_MAX,
} from './limits.ts';
import { DEFAULT_HOST, DEFAULT_PORT } from './protocol.ts';
import type { ServerConfig } from './server.ts';
import { checkSocketPlace } from './socket-path.ts';

export interface FrontEndOptions extends TokenOptions, TlsOptions {
  /** Default 127.0.0.1. Beyond loopback only with TLS, or with `insecure`. */
  readonly host?: string;
  /** 0 picks a free port. Default 7377. */
  readonly port?: number;
  /** The path of a Unix socket that serves clients too, beside the port and without TLS. */
  readonly socket?: string | undefined;
  /** Listens beyond loopback without TLS: what is sent can be read and changed on the way. */
  readonly insecure?: boolean | undefined;
  /** Connections at a time; further ones are refused with `server_busy`. Default 10 000. */
  readonly connectionsMax?: number;
  /** Connections of one address at a time, but for loopback. Default 1000. */
  readonly connectionsPerAddressMax?: number;
  /** Bytes of a frame at most. Default 64 KiB. */
  readonly frameBytesMax?: number;
  /** Time within which a connection must say hello. Default 10 000. */
  readonly helloTimeoutMs?: number;
  /** Time within which a frame that has begun must be whole. Default 30 000. */
  readonly frameTimeoutMs?: number;
  /** Closes connections on which nothing came for so long; 0 = never, the default. */
  readonly idleTimeoutMs?: number;
  /**
   * Hears in words what happens to those who try to connect, each kind of it once a minute. Without
   * it they are warnings of the process.
   */
  readonly onNotice?: (text: string) => void;
}

/** Checks the options and reads the files that they name. Throws `InvalidOptionError`. */
export async function frontEndConfig(
  options: FrontEndOptions,
  version: string,
): Promise<ServerConfig> {
  const { insecure = false, onNotice = warn } = options;
  const host = textOption('host', options.host ?? DEFAULT_HOST, 'the name or address to listen on');
  const { socket } = options;
  if (socket !== undefined) {
    checkSocketPlace('socket', textOption('socket', socket, 'the path of a Unix socket'));
  }
  if (typeof insecure !== 'boolean')
    throw new InvalidOptionError('insecure', insecure, 'a boolean');
  const isTls = wantsTls(options);
  if (!isLoopback(host) && !isTls && !insecure) {
    const expected =
      'a loopback address, unless there is TLS (give tlsCert and tlsKey) or the network is to ' +
      'be trusted (say insecure)';
    throw new InvalidOptionError('host', host, expected, ['tlsCert', 'tlsKey', 'insecure']);
  }
  const limits = limitsOf(options);
  const tls = isTls ? await readTls(options) : undefined;
  const authenticator = await openAuthenticator(options);
  const port = integerOption('port', options.port ?? DEFAULT_PORT, 0, 65_535);
  if (!isLoopback(host) && authenticator === undefined) {
    onNotice(`whoever reaches ${host} may do everything here: no tokens are asked for`);
  }
  return { host, port, socket, tls, authenticator, onNotice, version, ...limits };
}

function limitsOf(options: FrontEndOptions) {
  const limit = (name: keyof FrontEndOptions, fallback: number, min: number, max: number) =>
    integerOption(name, options[name] ?? fallback, min, max);
  const perAddress = CONNECTIONS_PER_ADDRESS_MAX_DEFAULT;
  const frameBytes = FRAME_BYTES_MAX_DEFAULT;
  return {
    connectionsMax: limit('connectionsMax', CONNECTIONS_MAX_DEFAULT, 1, CONNECTIONS_MAX),
    connectionsPerAddressMax: limit('connectionsPerAddressMax', perAddress, 1, CONNECTIONS_MAX),
    frameBytesMax: limit('frameBytesMax', frameBytes, FRAME_BYTES_MIN, FRAME_BYTES_MAX),
    helloTimeoutMs: limit('helloTimeoutMs', HELLO_TIMEOUT_MS_DEFAULT, 1, TIMEOUT_MS_MAX),
    frameTimeoutMs: limit('frameTimeoutMs', FRAME_TIMEOUT_MS_DEFAULT, 1, TIMEOUT_MS_MAX),
    idleTimeoutMs: limit('idleTimeoutMs', 0, 0, TIMEOUT_MS_MAX),
  };
}

function textOption(name: string, value: unknown, expected: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new InvalidOptionError(name, value, expected);
}

function warn(text: string): void {
  process.emitWarning(`sessile: ${text}`);
}
