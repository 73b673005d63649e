/**
 * A connection for one command: made, used, and closed whatever happens.
 */
import { type Connection, connect } from '../transport/client/connection.ts';
import type { ConnectOptions } from '../transport/client/options.ts';
import type { Endpoint } from './endpoint.ts';

/** Tries so seldom that a command which waits for a server does not keep it busy. */
const RECONNECT_MS_MAX = 1_000;

export async function withConnection<T>(
  endpoint: Endpoint,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(optionsOf(endpoint));
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

function optionsOf({ host, port, path, token, tls, timeoutMs }: Endpoint): ConnectOptions {
  return {
    host,
    port,
    path,
    tls,
    token,
    timeoutMs,
    connectTimeoutMs: timeoutMs,
    reconnectMaxMs: RECONNECT_MS_MAX,
    name: 'sessile command line',
  };
}
