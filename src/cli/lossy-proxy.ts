/**
 * A TCP proxy that loses an answer on purpose: it passes everything on until it is told to cut,
 * then drops the next bytes from the server together with the connection. What a client sees is
 * what a lost network shows it: the request was sent, and no answer came.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface LossyProxy {
  readonly port: number;
  /** The next answer is lost, and its connection with it. Resolves when that has happened. */
  loseNextAnswer(): Promise<void>;
  stop(): void;
}

export async function startLossyProxy(host: string, port: number): Promise<LossyProxy> {
  const sockets = new Set<Socket>();
  let lost: (() => void) | undefined;
  const server = createServer((client) => {
    const upstream = connect(port, host);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => {
      if (lost === undefined) {
        client.write(chunk);
        return;
      }
      lost();
      lost = undefined;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    loseNextAnswer() {
      return new Promise((resolve) => {
        lost = resolve;
      });
    },
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
