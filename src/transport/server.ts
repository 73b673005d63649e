/**
 * The TCP server: one front end that owns the sockets and routes their frames to the shards.
 */
import type { Socket } from 'node:net';
import { Packr } from 'msgpackr';
import { ErrorCode } from '../core/codes.ts';
import { type EventLog, NO_LOG } from '../core/event-log.ts';
import { TTL_MS_MAX } from '../core/limits.ts';
import type { FileAuthenticator } from '../security/authenticator.ts';
import type { TlsContext } from '../security/tls.ts';
import type { CheckedService } from '../services/service.ts';
import type { FrontEndMeter, FrontEndSource } from '../workers/front-end-meter.ts';
import { STOP_TIMEOUT_MS } from '../workers/limits.ts';
import type { Operator } from '../workers/operator.ts';
import type { Router } from '../workers/router.ts';
import type { ShardingConfig } from '../workers/shard-memory.ts';
import { Connection } from './connection.ts';
import { ConnectionEvents } from './connection-events.ts';
import type { ConnectionHost } from './connection-host.ts';
import { Entrance, type EntranceConfig, type EntranceHost } from './entrance.ts';
import { AWAKE_MS, CLOCK_MESSAGES_MAX, IN_FLIGHT_MAX, INPUT_BUFFER_BYTES } from './limits.ts';
import { MessageReader } from './message-reader.ts';
import { Notices } from './notices.ts';
import { OperatorCalls } from './operator-calls.ts';
import { OutputPool } from './output.ts';
import { lookMs, PatienceClock, type PatienceLimits } from './patience.ts';
import { FRAME_HEADER_BYTES, PROTOCOL_VERSION, ToClient } from './protocol.ts';
import { SharedInput } from './shared-input.ts';

export interface ServerConfig extends EntranceConfig, PatienceLimits {
  readonly frameBytesMax: number;
  /** The engine's version, as `welcome` tells it. */
  readonly version: string;
  /** Checks the tokens of hellos; left out, nobody needs one. */
  readonly authenticator?: FileAuthenticator | undefined;
  /** Hears what happens to those who try to connect, each kind of it once a minute. */
  readonly onNotice: (text: string) => void;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export class Server implements ConnectionHost, EntranceHost, FrontEndSource {
  readonly reader: MessageReader;
  readonly input = new SharedInput(INPUT_BUFFER_BYTES);
  readonly pool = new OutputPool();
  readonly operatorCalls: OperatorCalls;
  readonly events: ConnectionEvents;
  readonly meter: FrontEndMeter;
  readonly capabilities: readonly string[];
  readonly capabilityBytes: number;
  readonly welcome: Buffer;
  readonly frameBytesMax: number;
  readonly authenticator: FileAuthenticator | undefined;
  readonly helloTimeoutMs: number;
  readonly notices: Notices;
  stopping = false;
  readonly #entrance: Entrance;
  #watch: NodeJS.Timeout | undefined;
  readonly #connections = new Set<Connection>();
  readonly #blocked = new Set<Connection>();
  #dirty: Connection[] = [];
  #turnIsScheduled = false;
  #awakeUntil = 0;
  /** Messages since the clock was read; every turn begins as if there were too many. */
  #sinceClock = CLOCK_MESSAGES_MAX;

  constructor(
    readonly router: Router,
    readonly config: ServerConfig,
    sharding: ShardingConfig,
    checked: CheckedService,
    operator: Operator,
    log: EventLog = NO_LOG,
  ) {
    this.events = new ConnectionEvents(log);
    this.meter = router.meter;
    this.meter.server = this;
    this.reader = new MessageReader(sharding.bodyBytesMax, sharding.dataBytesMax, checked);
    this.frameBytesMax = config.frameBytesMax;
    this.authenticator = config.authenticator;
    this.helloTimeoutMs = config.helloTimeoutMs;
    this.welcome = welcomeFrame(config, sharding, checked);
    this.operatorCalls = new OperatorCalls(operator);
    this.capabilities = checked.capabilities;
    const lengths = checked.capabilities.map((name) => 5 + Buffer.byteLength(name));
    this.capabilityBytes = lengths.reduce((sum, length) => sum + length, 0);
    this.notices = new Notices(config.onNotice);
    this.#entrance = new Entrance(config, this);
  }

  /** Begins to listen. Rejects with code `cannot_listen` if the address is not to be had. */
  async listen(): Promise<Address> {
    const port = await this.#entrance.listen();
    const clock = new PatienceClock(this.config, performance.now());
    this.#watch = setInterval(() => this.#look(clock), lookMs(this.config)).unref();
    return { host: this.config.host, port };
  }

  /** Closes connections of which nothing comes any more. */
  #look(clock: PatienceClock): void {
    const now = clock.look(performance.now());
    for (const connection of this.#connections) connection.look(now, this.config);
  }

  /**
   * Stops gracefully: takes no more connections or messages, lets what executes finish, sends
   * what is left, and closes.
   */
  async stop(): Promise<void> {
    this.stopping = true;
    clearInterval(this.#watch);
    const closed = this.#entrance.close();
    const deadline = performance.now() + STOP_TIMEOUT_MS;
    const { router } = this;
    // Of an engine that has failed nobody hears any more.
    while (performance.now() < deadline && !router.isIdle() && !router.stopped) await nextTurn();
    this.progress();
    for (const connection of this.#connections) connection.end();
    const late = setTimeout(() => this.#destroyAll(), Math.max(0, deadline - performance.now()));
    await closed;
    clearTimeout(late);
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections.size;
  }

  get connectionsMax(): number {
    return this.config.connectionsMax;
  }

  get bytesOut(): number {
    return this.pool.written;
  }

  /** Answers came, or room: flushes what they wrote, and goes on with what was blocked. */
  progress(): void {
    this.#flushDirty();
    if (this.#blocked.size === 0) return;
    const blocked = [...this.#blocked];
    this.#blocked.clear();
    for (const connection of blocked) connection.resume();
    this.#flushDirty();
  }

  clockIsFresh(messages: number): boolean {
    this.#sinceClock += messages;
    if (this.#sinceClock <= CLOCK_MESSAGES_MAX) return true;
    this.#sinceClock = messages;
    return false;
  }

  blocked(connection: Connection): void {
    this.#blocked.add(connection);
    this.#scheduleTurn();
  }

  dirty(connection: Connection): void {
    this.#dirty.push(connection);
    this.#scheduleTurn();
  }

  turnedAway(): void {
    this.meter.refused += 1;
  }

  /** Connections that were taken on, and those turned away: no room, bad token, bad TLS. */
  get accepted(): number {
    return this.meter.accepted;
  }

  get refused(): number {
    return this.meter.refused;
  }

  /** What new TLS connections are served with from now on. */
  renewTls(tls: TlsContext): void {
    this.#entrance.renew(tls);
  }

  /** Reads files again that tokens lie in, and closes connections whose tokens are gone. */
  async reloadTokens(): Promise<void> {
    const { authenticator } = this;
    if (authenticator === undefined) return;
    try {
      await authenticator.reload();
    } finally {
      for (const connection of [...this.#connections]) {
        const { principal } = connection.bearer;
        const isRevoked = principal !== undefined && authenticator.isRevoked(principal);
        if (isRevoked) connection.revoke('the token was withdrawn');
      }
    }
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection);
    this.#blocked.delete(connection);
  }

  enter(socket: Socket, problem: string | undefined): void {
    const connection = new Connection(this, socket);
    this.#connections.add(connection);
    const isTaken = problem === undefined && connection.token !== 0 && !this.stopping;
    if (isTaken) this.meter.accepted += 1;
    else
      connection.refuse(ErrorCode.SERVER_BUSY, problem ?? 'the server takes no more connections');
  }

  #flushDirty(): void {
    while (this.#dirty.length > 0) {
      const dirty = this.#dirty;
      this.#dirty = [];
      for (const connection of dirty) connection.flush();
    }
  }

  /** One more look in this turn of the event loop: for answers given outside any batch. */
  #scheduleTurn(): void {
    if (this.#turnIsScheduled) return;
    this.#turnIsScheduled = true;
    setImmediate(this.#turn);
  }

  /**
   * One turn, and then another while the last output is recent: a loop that polls once more is met
   * awake by the next request, and waking a sleeping thread costs both sides more than the request.
   */
  readonly #turn = (): void => {
    this.#turnIsScheduled = false;
    const hadOutput = this.#dirty.length > 0;
    this.router.poll();
    this.progress();
    this.#sinceClock = CLOCK_MESSAGES_MAX;
    const now = performance.now();
    if (hadOutput) this.#awakeUntil = now + AWAKE_MS;
    const isAwake = now < this.#awakeUntil;
    if (this.router.attend(isAwake) || isAwake) this.#scheduleTurn();
  };

  #destroyAll(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

function welcomeFrame(
  config: ServerConfig,
  sharding: ShardingConfig,
  checked: CheckedService,
): Buffer {
  const body = new Packr({ useRecords: false }).pack([
    ToClient.WELCOME,
    PROTOCOL_VERSION,
    {
      engine: config.version,
      shards: Math.max(1, sharding.shards),
      operations: checked.names,
      capabilities: checked.capabilities,
      limits: {
        frame_bytes_max: config.frameBytesMax,
        body_bytes_max: sharding.bodyBytesMax,
        data_bytes_max: sharding.dataBytesMax,
        reply_bytes_max: sharding.replyBytesMax,
        sessions_max: sharding.sessionsMax,
        in_flight_max: IN_FLIGHT_MAX,
        ttl_ms_max: TTL_MS_MAX,
      },
    },
  ]);
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + body.byteLength);
  frame[0] = 0xce;
  frame.writeUInt32BE(body.byteLength, 1);
  body.copy(frame, FRAME_HEADER_BYTES);
  return frame;
}

function nextTurn(): Promise<void> {
  return new Promise(setImmediate);
}
