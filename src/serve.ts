/**
 * A server over an engine: what `sessile serve` runs, for programs that want it in their process.
 */
import { InvalidOptionError, integerOption } from './core/errors.ts';
import type { EventFields, EventLog } from './core/event-log.ts';
import { TTL_NEVER } from './core/limits.ts';
import { checkOptions, DEFAULTS, type EngineOptions } from './embedding/options.ts';
import { Engine } from './engine.ts';
import { descriptorLimit, descriptorsNeeded } from './operating/descriptors.ts';
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
import { type Address, Server, type ServerConfig } from './transport/server.ts';
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
  const checked = { ...options, bodyBytesMax };
  options.log?.info('started', started(checked, config));
  warnOfDescriptors(options.log, config.connectionsMax, checkOptions(checked).sharding.shards);
  const engine = await Engine.start(checked);
  const { memory, log } = engine;
  const server = new Server(engine.router, config, memory.config, engine.checked, log);
  engine.onProgress(() => server.progress());
  let loopDelay: LoopDelayMonitor | undefined;
  let operators: OperatorServer | undefined;
  const end = async (): Promise<void> => {
    await server.stop();
    await engine.stop();
    // To the end it tells whoever asks that no requests are taken.
    await operators?.stop();
    loopDelay?.stop();
  };
  const stop = async (): Promise<void> => {
    log.info('stopping', { connections: server.connections, sessions: engine.sessions });
    await end();
    log.info('stopped', totals(engine));
  };
  try {
    const address = await server.listen();
    operators = operating && (await operatorServer(engine, server, operating));
    const operatorAddress = await operators?.listen();
    log.info('listening', { ...address, operator_port: operatorAddress?.port ?? null });
    // From here on: what the start itself took is no delay of requests.
    loopDelay = new LoopDelayMonitor(engine.router.meter);
    return running(engine, server, { address, operatorAddress, stop });
  } catch (error) {
    await end();
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
    log: engine.log,
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

function warnOfDescriptors(log: EventLog | undefined, connections: number, shards: number): void {
  const limit = descriptorLimit();
  const needed = descriptorsNeeded(connections, shards);
  if (limit !== undefined && limit < needed) log?.warn('descriptors_low', { limit, needed });
}

/** What the server was started with. Every option that could hold a secret is left out. */
function started(options: EngineOptions, config: ServerConfig): EventFields {
  const { sharding, evicts, run, journal } = checkOptions(options);
  const { ttlDefaultMs, ratePerSecond, rateBurst } = sharding;
  const rate = ratePerSecond === 0 ? null : `${ratePerSecond}/${rateBurst}`;
  const durability = journal?.intervalMs ? `interval:${journal.intervalMs}` : undefined;
  return {
    version: VERSION,
    node: process.version,
    host: config.host,
    port: config.port,
    shards: sharding.shards,
    sessions_max: sharding.sessionsMax,
    on_full: evicts ? 'evict' : 'reject',
    ttl_ms: ttlDefaultMs === TTL_NEVER ? null : ttlDefaultMs,
    rate,
    data_bytes_max: sharding.dataBytesMax,
    reply_bytes_max: sharding.replyBytesMax,
    body_bytes_max: sharding.bodyBytesMax,
    frame_bytes_max: config.frameBytesMax,
    connections_max: config.connectionsMax,
    execute_timeout_ms: sharding.executeTimeoutMs,
    run,
    data_dir: journal?.folder ?? null,
    durability: journal === undefined ? null : (durability ?? (journal.syncs ? 'commit' : 'off')),
  };
}

/** What the engine has done in its life. */
function totals(engine: Engine): EventFields {
  const { sessions, registered, resumed, requests, calls, replays, commits, errors, ...rest } =
    engine.stats();
  const { evicted, expired, closed, disconnected, removed } = rest;
  const did = { registered, resumed, requests, calls, replays, commits, errors };
  return { sessions, ...did, evicted, expired, closed, disconnected, removed };
}
