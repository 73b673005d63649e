/**
 * A server over an engine: what `sessile serve` runs, for programs that want it in their process.
 */
import { InvalidOptionError, integerOption } from './core/errors.ts';
import { DEFAULTS, type EngineOptions } from './embedding/options.ts';
import { Engine } from './engine.ts';
import { LoopDelayMonitor } from './operating/loop-delay.ts';
import type { OperatorServer } from './operating/operator-server.ts';
import { checkOperating, type OperatingOptions } from './operating/options.ts';
import {
  CONNECTIONS_MAX,
  CONNECTIONS_MAX_DEFAULT,
  FRAME_BYTES_MAX,
  FRAME_BYTES_MAX_DEFAULT,
  FRAME_BYTES_MIN,
} from './transport/limits.ts';
import { DEFAULT_HOST, DEFAULT_PORT, FRAME_OVERHEAD_BYTES } from './transport/protocol.ts';
import { type Address, Server } from './transport/server.ts';
import { VERSION } from './version.ts';

export interface ServeOptions extends EngineOptions, OperatingOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 picks a free port. Default 7377. */
  readonly port?: number;
  /** Connections at a time; further ones are refused with `server_busy`. Default 10 000. */
  readonly connectionsMax?: number;
  /** Bytes of a frame at most. Default 64 KiB. */
  readonly frameBytesMax?: number;
}

export interface RunningServer {
  readonly address: Address;
  /** Where operators find HTTP; undefined when it is off. */
  readonly operatorAddress: Address | undefined;
  readonly engine: Engine;
  /** Open connections. */
  readonly connections: number;
  /** Finishes what executes, sends what is left, closes connections and ends the workers. */
  stop(): Promise<void>;
}

/**
 * Starts an engine and a TCP server in front of it. Throws `InvalidOptionError`, or `SessileError`
 * with code `cannot_listen`.
 */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const frameBytesMax = integerOption(
    'frameBytesMax',
    options.frameBytesMax ?? FRAME_BYTES_MAX_DEFAULT,
    FRAME_BYTES_MIN,
    FRAME_BYTES_MAX,
  );
  const host = options.host ?? DEFAULT_HOST;
  if (typeof host !== 'string' || host === '') {
    throw new InvalidOptionError('host', host, 'the name or address to listen on');
  }
  const config = {
    host,
    port: integerOption('port', options.port ?? DEFAULT_PORT, 0, 65_535),
    connectionsMax: integerOption(
      'connectionsMax',
      options.connectionsMax ?? CONNECTIONS_MAX_DEFAULT,
      1,
      CONNECTIONS_MAX,
    ),
    frameBytesMax,
    version: VERSION,
  };
  const operating = checkOperating(options, false);
  const longest = frameBytesMax - FRAME_OVERHEAD_BYTES;
  const bodyBytesMax = options.bodyBytesMax ?? Math.min(DEFAULTS.bodyBytesMax, longest);
  if (bodyBytesMax > longest) {
    throw new InvalidOptionError(
      'bodyBytesMax',
      bodyBytesMax,
      `at most ${longest}, to fit a frame`,
    );
  }
  const engine = await Engine.start({ ...options, bodyBytesMax });
  const server = new Server(engine.router, config, engine.memory.config, engine.checked);
  engine.onProgress(() => server.progress());
  let loopDelay: LoopDelayMonitor | undefined;
  let operators: OperatorServer | undefined;
  const stop = async (): Promise<void> => {
    await server.stop();
    await engine.stop();
    // To the end it tells whoever asks that no requests are taken.
    await operators?.stop();
    loopDelay?.stop();
  };
  try {
    const address = await server.listen();
    operators = operating && (await operatorServer(engine, server, operating));
    const operatorAddress = await operators?.listen();
    // From here on: what the start itself took is no delay of requests.
    loopDelay = new LoopDelayMonitor(engine.router.meter);
    return running(engine, server, { address, operatorAddress, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Loaded when it is wanted: a program that only embeds needs no HTTP and no metrics. */
async function operatorServer(
  engine: Engine,
  server: Server,
  { host, port }: { host: string; port: number },
): Promise<OperatorServer> {
  const { OperatorServer } = await import('./operating/operator-server.ts');
  return new OperatorServer({
    host,
    port,
    authenticator: undefined,
    router: engine.router,
    capabilities: engine.checked.capabilities,
    isStopping: () => server.stopping,
  });
}

function running(
  engine: Engine,
  server: Server,
  rest: Pick<RunningServer, 'address' | 'operatorAddress' | 'stop'>,
): RunningServer {
  return {
    ...rest,
    engine,
    get connections() {
      return server.connections;
    },
  };
}
