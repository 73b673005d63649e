/**
 * `sessile ping`: whether a server answers, and how fast.
 */
import { Command } from 'commander';
import { connect } from '../transport/client/connection.ts';
import { DEFAULT_HOST, DEFAULT_PORT } from '../transport/protocol.ts';
import { numeric, option } from './arguments.ts';

interface PingOptions {
  readonly host: string;
  readonly port: number;
  readonly count: number;
  readonly timeoutMs: number;
}

export function pingCommand(): Command {
  return new Command('ping')
    .description('Say hello to a server and measure the time to its answers.')
    .addOption(option('--host <address>', 'address of the server', DEFAULT_HOST))
    .addOption(numeric('--port <port>', 'its port', DEFAULT_PORT))
    .addOption(numeric('--timeout-ms <ms>', 'how long to wait for an answer', 5000))
    .addOption(numeric('--count <count>', 'pings to send', 3))
    .action(ping);
}

async function ping({ host, port, count, timeoutMs }: PingOptions): Promise<void> {
  const connection = await connect({ host, port, timeoutMs, connectTimeoutMs: timeoutMs });
  const { engine, shards, limits } = connection.welcome;
  process.stdout.write(
    `sessile ${engine} on ${host}:${port}: ${shards} shards, ${limits.sessionsMax} sessions\n`,
  );
  for (let i = 0; i < count; i++) {
    const ms = await connection.ping();
    process.stdout.write(`pong in ${ms.toFixed(3)} ms\n`);
  }
  await connection.close();
}
