/**
 * The options of `sessile serve` about who may connect, and how the files that they name are read
 * again.
 */
import { type Command, Option } from 'commander';
import type { RunningServer, ServeOptions } from '../serve.ts';
import {
  CONNECTIONS_PER_ADDRESS_MAX_DEFAULT,
  FRAME_TIMEOUT_MS_DEFAULT,
  HELLO_TIMEOUT_MS_DEFAULT,
} from '../transport/limits.ts';
import { flagOf, numeric, variable } from './arguments.ts';

export function addSecurityOptions(command: Command): Command {
  return command
    .addOption(setting('--tokens <file>', 'ask for a token of this list (default: for none)'))
    .addOption(setting('--jwt-key <file>', 'ask for a JWT: secret, public key in PEM, or JWKS'))
    .addOption(setting('--jwt-issuer <name>', 'with --jwt-key, the iss that a JWT must have'))
    .addOption(setting('--jwt-audience <name>', 'with --jwt-key, the aud that a JWT must have'))
    .addOption(setting('--tls-cert <file>', 'speak TLS, with this certificate chain in PEM'))
    .addOption(setting('--tls-key <file>', 'with --tls-cert, its private key in PEM'))
    .addOption(setting('--tls-client-ca <file>', 'ask clients for certificates of this CA'))
    .addOption(setting('--socket <path>', 'serve a Unix socket too'))
    .addOption(insecure())
    .addOption(
      numeric(
        '--connections-per-address-max <count>',
        'connections of one address but loopback',
        CONNECTIONS_PER_ADDRESS_MAX_DEFAULT,
      ),
    )
    .addOption(numeric('--hello-timeout-ms <ms>', 'time for hello', HELLO_TIMEOUT_MS_DEFAULT))
    .addOption(numeric('--frame-timeout-ms <ms>', 'time for a frame', FRAME_TIMEOUT_MS_DEFAULT))
    .addOption(numeric('--idle-timeout-ms <ms>', 'close silent connections; 0 = never', 0));
}

/** A variable that is set to 0 or no must not mean yes, so only 1 does. */
function insecure(): Option {
  const text = 'listen beyond loopback without TLS (env: SESSILE_INSECURE=1)';
  return new Option('--insecure', text).default(process.env.SESSILE_INSECURE === '1');
}

/** An option without a default. */
function setting(flags: string, text: string): Option {
  return new Option(flags, text).env(variable(flags));
}

/** What SIGHUP does: reads the files again, and tells which options name them. */
export function reloading(
  server: RunningServer,
  options: ServeOptions,
): () => Promise<readonly string[]> {
  const { tokens, jwtKey, tlsCert, tlsKey, tlsClientCa } = options;
  const files = Object.entries({ tokens, jwtKey, tlsCert, tlsKey, tlsClientCa });
  const read = files.filter(([, path]) => path !== undefined).map(([name]) => flagOf(name));
  return async () => {
    await server.reload();
    return read;
  };
}
