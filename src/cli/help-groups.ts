/** The options of `sessile serve` by what they are about, so that `--help` can be read. */
import type { Command } from 'commander';

const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'Clients:': [
    'host',
    'port',
    'socket',
    'connections-max',
    'connections-per-address-max',
    'frame-bytes-max',
    'hello-timeout-ms',
    'frame-timeout-ms',
    'idle-timeout-ms',
  ],
  'Security:': [
    'tokens',
    'jwt-key',
    'jwt-issuer',
    'jwt-audience',
    'tls-cert',
    'tls-key',
    'tls-client-ca',
    'insecure',
  ],
  'Sessions:': [
    'preset',
    'sessions-max',
    'on-full',
    'ttl-ms',
    'rate',
    'data-bytes-max',
    'reply-bytes-max',
  ],
  'Execution:': ['shards', 'run', 'service', 'execute-timeout-ms'],
  'Storage:': ['data-dir', 'durability', 'segment-bytes-max'],
  'Operator:': ['operator-port', 'operator-host'],
  'Log:': ['log-level', 'log-format'],
};

/** Puts each option under its heading; one that has none stays under `Options:`. */
export function group(command: Command): Command {
  for (const [heading, names] of Object.entries(GROUPS)) {
    for (const name of names) {
      command.options.find(({ long }) => long === `--${name}`)?.helpGroup(heading);
    }
  }
  return command;
}
