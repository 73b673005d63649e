/**
 * `sessile ping`: whether a server answers, and how fast.
 */
import { Command } from 'commander';
import { DEFAULT_HOST, DEFAULT_PORT } from '../transport/protocol.ts';
import { numeric, option } from './arguments.ts';
import { withConnection } from './client.ts';
import {
  type Address,
  type EndpointOptions,
  endpointOf,
  nameOf,
  parseAddress,
  withEndpointOptions,
} from './endpoint.ts';

interface PingOptions extends EndpointOptions {
  readonly host: string;
  readonly port: number;
  readonly count: number;
}

export function pingCommand(): Command {
  const command = new Command('ping')
    .description('Say hello to a server and measure the time to its answers.')
    .argument('[address]', 'host:port of the server (default: 127.0.0.1:7377)', parseAddress)
    .addOption(option('--host <address>', 'address of the server', DEFAULT_HOST))
    .addOption(numeric('--port <port>', 'its port', DEFAULT_PORT))
    .addOption(numeric('--count <count>', 'pings to send', 3));
  return withEndpointOptions(command).action(ping);
}

async function ping(address: Address | undefined, options: PingOptions): Promise<void> {
  const { host, port, count, socket } = options;
  const given = address ?? (socket === undefined ? { host, port } : undefined);
  const endpoint = endpointOf(given, options);
  await withConnection(endpoint, async (connection) => {
    const { engine, shards, limits } = connection.welcome;
    const what = `${shards} shards, ${limits.sessionsMax} sessions`;
    process.stdout.write(`sessile ${engine} on ${nameOf(endpoint)}: ${what}\n`);
    for (let i = 0; i < count; i++) {
      const ms = await connection.ping();
      process.stdout.write(`pong in ${ms.toFixed(3)} ms\n`);
    }
  });
}
