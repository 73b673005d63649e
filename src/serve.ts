/**
 * A server over an engine: what `sessile serve` runs, for programs that want it in their process.
 */
import { InvalidOptionError } from './core/errors.ts';
import type { EventFields, EventLog } from './core/event-log.ts';
import { TTL_NEVER } from './core/limits.ts';
import { checkOptions, DEFAULTS, type EngineOptions } from './embedding/options.ts';
import { Engine } from './engine.ts';
import { descriptorsNeeded } from './operating/descriptors.ts';
import { LoopDelayMonitor } from './operating/loop-delay.ts';
import type { OperatorAddress, OperatorServer } from './operating/operator-server.ts';
import { checkOperating, type OperatingOptions, type OperatorPlace } from './operating/options.ts';
import type { Authenticator } from './security/authenticator.ts';
import { readTls, wantsTls } from './security/tls.ts';
import { descriptorLimit } from './transport/descriptors.ts';
import { type FrontEndOptions, frontEndConfig } from './transport/front-end-options.ts';
import { FRAME_OVERHEAD_BYTES } from './transport/protocol.ts';
import { type Address, Server, type ServerConfig } from './transport/server.ts';
import { VERSION } from './version.ts';

export interface ServeOptions extends EngineOptions, FrontEndOptions, OperatingOptions {}

export interface RunningServer {
  readonly address: Address;
  /** Where operators find HTTP; undefined when it is off. */
  readonly operatorAddress: OperatorAddress | undefined;
  readonly engine: Engine;
  /** Open connections. */
  readonly connections: number;
  /** Connections taken on since the start; those turned away: no room, bad token, bad TLS. */
  readonly accepted: number;
  readonly refused: number;
  /** Checks tokens as the server does; undefined when it asks for none. */
  readonly authenticator: Authenticator | undefined;
  /**
   * Reads tokens, keys and certificates again, and closes connections whose tokens are gone.
   * Rejects if a file is not good; what was read from it before stays in use.
   */
  reload(): Promise<void>;
  /** Finishes what executes, sends what is left, closes connections and ends the workers. */
  stop(): Promise<void>;
}

/**
 * Starts an engine and a TCP server in front of it. Throws `InvalidOptionError`, or `SessileError`
 * with code `cannot_listen`.
 */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const config = await frontEndConfig(options, VERSION);
  const operating = checkOperating(options, {
    hasTokens: config.authenticator !== undefined,
    hasTls: config.tls !== undefined,
  });
  const longest = config.frameBytesMax - FRAME_OVERHEAD_BYTES;
  const bodyBytesMax = options.bodyBytesMax ?? Math.min(DEFAULTS.bodyBytesMax, longest);
  if (bodyBytesMax > longest) {
    throw new InvalidOptionError(
      'bodyBytesMax',
      bodyBytesMax,
      `at most ${longest}, to fit a frame`,
    );
  }
  const checked = { ...options, bodyBytesMax };
  options.log?.info('starting', beginning(checked, config, operating));
  warnOfDescriptors(options.log, config.connectionsMax, checkOptions(checked).sharding.shards);
  const engine = await Engine.start(checked);
  const { memory, log } = engine;
  const server = new Server(
    engine.router,
    config,
    memory.config,
    engine.checked,
    engine.operator,
    log,
  );
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
    return running(engine, server, {
      address,
      operatorAddress,
      reload: () => reload(server, operators, options),
      stop,
    });
  } catch (error) {
    await end();
    throw error;
  }
}

/** Loaded when it is wanted: a program that only embeds needs no HTTP and no metrics. */
async function operatorServer(
  engine: Engine,
  server: Server,
  { host, port, isTls }: OperatorPlace,
): Promise<OperatorServer> {
  const { OperatorServer } = await import('./operating/operator-server.ts');
  return new OperatorServer({
    host,
    port,
    authenticator: server.authenticator,
    tls: isTls ? server.config.tls : undefined,
    notices: server.notices,
    log: engine.log,
    router: engine.router,
    operator: engine.operator,
    isStopping: () => server.stopping,
  });
}

function running(
  engine: Engine,
  server: Server,
  rest: Pick<RunningServer, 'address' | 'operatorAddress' | 'reload' | 'stop'>,
): RunningServer {
  return {
    ...rest,
    engine,
    get connections() {
      return server.connections;
    },
    get accepted() {
      return server.accepted;
    },
    get refused() {
      return server.refused;
    },
    authenticator: server.authenticator,
  };
}

/** Each file is read, whatever becomes of the others. */
async function reload(
  server: Server,
  operators: OperatorServer | undefined,
  options: ServeOptions,
): Promise<void> {
  const renew = async (): Promise<void> => {
    if (!wantsTls(options)) return;
    const tls = await readTls(options);
    server.renewTls(tls);
    operators?.renewTls(tls);
  };
  const renewed = renew();
  const outcomes = await Promise.allSettled([server.reloadTokens(), renewed]);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

function warnOfDescriptors(log: EventLog | undefined, connections: number, shards: number): void {
  const limit = descriptorLimit();
  const needed = descriptorsNeeded(connections, shards);
  if (limit !== undefined && limit < needed) log?.warn('descriptors_low', { limit, needed });
}

/** What the server starts with. Every option that could hold a secret is left out. */
function beginning(
  options: ServeOptions,
  config: ServerConfig,
  operating: OperatorPlace | undefined,
): EventFields {
  const { sharding, run, journal } = checkOptions(options);
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
    on_full: sharding.evicts ? 'evict' : 'reject',
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
    ...guards(options, config, operating),
  };
}

/** Which doors are open, and what whoever comes through them must show. */
function guards(
  { tokens, jwtKey, insecure = false }: ServeOptions,
  { tls, socket }: ServerConfig,
  operating: OperatorPlace | undefined,
): EventFields {
  return {
    socket: socket ?? null,
    tls: tls !== undefined,
    client_certificates: tls?.ca !== undefined,
    tokens: tokens !== undefined,
    jwt: jwtKey !== undefined,
    insecure,
    operator_host: operating?.host ?? null,
    operator_tls: operating?.isTls ?? null,
  };
}

/** What the engine has done in its life. */
function totals(engine: Engine): EventFields {
  const { sessions, registered, resumed, requests, calls, replays, commits, ...rest } =
    engine.stats();
  // Those that never came to a shard as well.
  const { errors } = engine.status().totals;
  const { evicted, expired, closed, disconnected, removed } = rest;
  const did = { registered, resumed, requests, calls, replays, commits, errors };
  return { sessions, ...did, evicted, expired, closed, disconnected, removed };
}
