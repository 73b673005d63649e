/**
 * Where a server is and how it is spoken to, as the command line says it: `host:port` or a Unix
 * socket, a token, TLS. The same for every command that talks to a server.
 */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { InvalidOptionError, SessileError } from '../core/errors.ts';
import { DEFAULT_HOST, DEFAULT_PORT } from '../transport/protocol.ts';
import { checkSocketPath } from '../transport/socket-path.ts';
import { numeric } from './arguments.ts';

/** `host`, `host:port`, `[ipv6]:port`, or a port alone. */
const ADDRESS = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/;
const PORT_MAX = 65_535;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The options that each of these commands has, as commander hands them over. */
export interface EndpointOptions {
  readonly token?: string;
  readonly socket?: string;
  readonly tls?: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly timeoutMs: number;
}

/** TLS as the client library takes it. */
export interface TlsChoice {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

export interface Endpoint extends Address {
  /** The Unix socket that is used instead of host and port. */
  readonly path: string | undefined;
  readonly token: string | undefined;
  readonly tls: TlsChoice | undefined;
  readonly timeoutMs: number;
}

/** Adds the options of a server's whereabouts to a command. */
export function withEndpointOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--token <token>', 'the token that the server asks for').env('SESSILE_TOKEN'),
    )
    .option('--socket <path>', 'a Unix socket instead of an address')
    .option('--tls', 'speak TLS; the certificate is checked')
    .option('--ca <file>', 'with TLS, whom to trust (PEM) instead of the system')
    .option('--cert <file>', 'with TLS, a certificate of our own (PEM)')
    .option('--key <file>', 'with TLS, its private key (PEM)')
    .option('--servername <name>', "with TLS, the name in the server's certificate")
    .addOption(numeric('--timeout-ms <ms>', 'how long to wait for an answer', 5000));
}

/** Reads an address; the parts that it leaves out are the defaults. */
export function parseAddress(text: string): Address {
  if (/^\d+$/.test(text)) return { host: DEFAULT_HOST, port: portOf(text) };
  const match = ADDRESS.exec(text);
  if (match === null) {
    throw new InvalidArgumentError('It must be host:port, such as 127.0.0.1:7377 or [::1]:7377.');
  }
  const host = match[1] ?? match[2];
  return {
    host: host === '' ? DEFAULT_HOST : host,
    port: match[3] === undefined ? DEFAULT_PORT : portOf(match[3]),
  };
}

export function endpointOf(address: Address | undefined, options: EndpointOptions): Endpoint {
  const { socket, token, timeoutMs } = options;
  if (socket !== undefined && address !== undefined) {
    throw new InvalidOptionError('--socket', socket, 'given without an address, or left out');
  }
  // Also for commands with sockets of their own: a path that is cut off names another socket.
  if (socket !== undefined) checkSocketPath('--socket', socket);
  const { host, port } = address ?? { host: DEFAULT_HOST, port: DEFAULT_PORT };
  return { host, port, path: socket, token, tls: tlsOf(options), timeoutMs };
}

/** How to call an endpoint in front of people. */
export function nameOf({ host, port, path }: Endpoint): string {
  if (path !== undefined) return path;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function portOf(text: string): number {
  const port = Number(text);
  if (port >= 1 && port <= PORT_MAX) return port;
  throw new InvalidArgumentError(`The port must be from 1 to ${PORT_MAX}.`);
}

function tlsOf(options: EndpointOptions): TlsChoice | undefined {
  const { tls, ca, cert, key, servername } = options;
  const isMeant = tls === true || [ca, cert, key, servername].some((one) => one !== undefined);
  if (!isMeant) return undefined;
  if ((cert === undefined) !== (key === undefined)) {
    throw new InvalidOptionError('--cert', cert, 'given together with --key');
  }
  return {
    ...(ca === undefined ? {} : { ca: textOf('--ca', ca) }),
    ...(cert === undefined ? {} : { cert: textOf('--cert', cert) }),
    ...(key === undefined ? {} : { key: textOf('--key', key) }),
    ...(servername === undefined ? {} : { servername }),
  };
}

function textOf(option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new SessileError('invalid_options', `${option} ${path} cannot be read: ${why}`, { path });
  }
}
