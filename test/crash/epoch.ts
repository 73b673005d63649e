/**
 * One data directory from its first start to its last: clients put load on a server that is killed
 * and started again, with other shards, another way to run and other limits each time.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Connection, connect } from '../../dist/index.js';
import { ClientActor, type World } from './client-actor.ts';
import type { ServiceName } from './model.ts';
import type { Random } from './random.ts';
import { RawActor, RawPeer } from './raw-actor.ts';
import { type Exited, freePort, ServerProcess } from './server.ts';
import type { Tally } from './tally.ts';

const ACCOUNT = fileURLToPath(new URL('../../examples/account.js', import.meta.url));

const SEGMENT_BYTES = [4_096, 16_384, 65_536, 1_048_576];
/** How many sessions that have ended are asked after at a time. */
const ENDED_SAMPLE = 20;

export class Epoch {
  readonly #tally: Tally;
  readonly #random: Random;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sessile-crash-'));
  readonly #world: World;
  readonly #port: number;
  readonly #connections: Connection[] = [];
  readonly #clients: ClientActor[] = [];
  readonly #raw: RawActor[] = [];
  #rawRuns: Promise<void>[] = [];
  #isGoing = false;
  #server!: ServerProcess;
  #sessionsMax = 1_000;
  #shards = 1;

  private constructor(tally: Tally, random: Random, port: number) {
    this.#tally = tally;
    this.#random = random;
    this.#port = port;
    const service: ServiceName = random.chance(40) ? 'account' : 'data';
    const evicts = random.chance(33);
    // The places of several shards go from one to the other.
    const rejects = !evicts && random.chance(33);
    if (evicts || rejects) this.#sessionsMax = random.between(8, 24);
    if (rejects) this.#shards = random.between(2, 3);
    this.#world = { service, tally, evicts, rejects, ended: [] };
  }

  /** Runs until so many kills have happened, or something was wrong. */
  static async run(tally: Tally, random: Random, kills: number): Promise<void> {
    const epoch = new Epoch(tally, random, await freePort(random));
    try {
      await epoch.#begin();
      const end = tally.kills + kills;
      while (tally.kills < end && tally.violations.length === 0) await epoch.#round();
      if (tally.violations.length === 0) await epoch.#finish();
    } finally {
      await epoch.#cleanUp();
    }
  }

  async #begin(): Promise<void> {
    this.#start();
    if (!(await this.#isListening())) return;
    const count = this.#random.between(1, 4);
    for (let i = 0; i < count; i++) {
      const port = this.#port;
      const options = { reconnectMinMs: 2, reconnectMaxMs: 20, queueMax: 64 };
      this.#connections.push(await connect({ port, ...options }));
    }
    const { evicts, rejects } = this.#world;
    const sessions =
      evicts || rejects
        ? this.#sessionsMax + this.#random.between(2, 8)
        : this.#random.between(1, 40);
    for (let i = 0; i < sessions; i++) {
      const connection = this.#connections[i % count];
      this.#clients.push(new ClientActor(this.#world, connection, this.#random.fork()));
    }
    // These stay, and would find no room.
    for (let i = rejects ? 0 : this.#random.between(1, 4); i > 0; i--) {
      const isGoing = (): boolean => this.#isGoing;
      this.#raw.push(new RawActor(this.#world, this.#port, this.#random.fork(), isGoing));
    }
    this.#go();
  }

  #start(): void {
    const { service, evicts, rejects } = this.#world;
    const random = this.#random;
    const sessionsMax = evicts ? this.#sessionsMax + random.below(5) : this.#sessionsMax;
    if (random.chance(40)) this.#shards = rejects ? random.between(2, 3) : random.below(4);
    const options: Record<string, string | number> = {
      port: this.#port,
      'data-dir': this.#folder,
      durability: 'commit',
      shards: this.#shards,
      run: random.pick(['auto', 'worker', 'direct']),
      'sessions-max': sessionsMax,
      'segment-bytes-max': random.pick(SEGMENT_BYTES),
      ...(rejects ? { 'on-full': 'reject' } : {}),
      ...(service === 'account' ? { service: ACCOUNT } : {}),
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.#server = new ServerProcess(args);
    this.#tally.note(`start ${args.join(' ')}`);
    this.#tally.starts += 1;
  }

  async #isListening(): Promise<boolean> {
    const server = this.#server;
    if (await server.listening) {
      this.#tally.note(`listening, ${server.recovered} recovered`);
      this.#tally.recoveredSessions += server.recovered;
      if (server.out.includes('no whole batch')) this.#tally.tornEnds += 1;
      return true;
    }
    const { code, signal } = await server.exited;
    this.#tally.violated(`the server did not start (${code ?? signal}): ${server.err}`);
    return false;
  }

  /** Some load, and then an end of one kind or another, and a new start. */
  async #round(): Promise<void> {
    const kind = this.#random.below(100);
    if (kind < 12) return this.#stopGracefully();
    if (kind < 24) return this.#killAtRest();
    await this.#load(this.#random.between(60, 260));
    await this.#kill();
    this.#start();
    while (this.#random.chance(20) && this.#tally.violations.length === 0) {
      await this.#killWhileStarting();
    }
    await this.#isListening();
  }

  /** Lets the clients go on for a while; the server must not end by itself meanwhile. */
  async #load(ms: number): Promise<void> {
    const server = this.#server;
    const ended = await Promise.race([pause(ms), server.exited]);
    if (ended !== undefined) this.#endedByItself(ended);
  }

  #endedByItself({ code, signal }: Exited): void {
    this.#tally.violated(`the server ended with ${code ?? signal}: ${this.#server.err}`);
  }

  async #kill(): Promise<void> {
    this.#tally.note('SIGKILL');
    const ended = await this.#server.end('SIGKILL');
    if (ended.signal !== 'SIGKILL') this.#endedByItself(ended);
    this.#tally.kills += 1;
  }

  /** At any moment of the start, most of them during recovery. */
  async #killWhileStarting(): Promise<void> {
    await this.#load(this.#random.between(90, 300));
    this.#tally.killsWhileStarting += 1;
    await this.#kill();
    this.#start();
  }

  async #stopGracefully(): Promise<void> {
    await this.#load(this.#random.between(20, 150));
    this.#tally.note('SIGTERM');
    const { code, signal } = await this.#server.end('SIGTERM');
    if (code !== 0) {
      this.#tally.violated(`SIGTERM ended with ${code ?? signal}: ${this.#server.err}`);
    }
    this.#tally.gracefulStops += 1;
    this.#start();
    await this.#isListening();
  }

  /** With nothing in flight it is known exactly what must be there after the kill. */
  async #killAtRest(): Promise<void> {
    await this.#load(this.#random.between(20, 150));
    await this.#halt();
    await this.#check();
    const before = await this.#replays();
    const sessions = await this.#liveSessions();
    await this.#kill();
    this.#start();
    if (!(await this.#isListening())) return;
    const { recovered } = this.#server;
    const isRight = this.#world.evicts ? recovered <= sessions : recovered === sessions;
    if (!isRight) this.#tally.violated(`${recovered} of ${sessions} sessions were recovered`);
    await this.#check();
    const after = await this.#replays();
    for (const [id, reply] of before) {
      const again = after.get(id);
      if (again === undefined && this.#world.evicts) continue;
      this.#tally.replays += 1;
      if (again === undefined || Buffer.compare(reply, again) !== 0) {
        this.#tally.violated(`${id}: the stored reply is not what it was`);
      }
    }
    await this.#checkEnded();
    this.#go();
  }

  #go(): void {
    this.#isGoing = true;
    for (const client of this.#clients) client.start();
    this.#rawRuns = this.#raw.map((actor) =>
      actor.run().catch((error: unknown) => {
        this.#tally.violated(`a client frame by frame failed: ${String(error)}`);
      }),
    );
  }

  async #halt(): Promise<void> {
    this.#isGoing = false;
    await Promise.all([...this.#clients.map((client) => client.halt()), ...this.#rawRuns]);
  }

  async #check(): Promise<void> {
    // One by one: a connection takes few calls to the server itself at a time.
    for (const client of this.#clients) await client.check();
  }

  async #liveSessions(): Promise<number> {
    return Number((await this.#connections[0].stats()).sessions);
  }

  /** The stored replies of all sessions, by id. */
  async #replays(): Promise<Map<string, Uint8Array>> {
    const replies = new Map<string, Uint8Array>();
    const peer = await this.#peer();
    for (const { last } of this.#clients) {
      if (last === undefined) continue;
      const reply = await peer.replay(last);
      if (reply === undefined) throw new Error('the server closed the connection');
      if (peer.isReply(reply)) replies.set(last.id, reply);
      else if (!this.#world.evicts) this.#tally.violated(`${last.id}: no stored reply`);
    }
    peer.close();
    return replies;
  }

  /** Sessions that have ended stay so. */
  async #checkEnded(): Promise<void> {
    const peer = await this.#peer();
    for (const ended of this.#world.ended.slice(-ENDED_SAMPLE)) {
      if (!(await peer.isOver(ended))) this.#tally.violated(`${ended.id} came back`);
    }
    peer.close();
  }

  async #peer(): Promise<RawPeer> {
    const peer = await RawPeer.open(this.#port);
    if (peer === undefined) throw new Error('the server does not answer');
    return peer;
  }

  async #finish(): Promise<void> {
    await this.#halt();
    await this.#check();
    await this.#checkEnded();
    for (const connection of this.#connections) await connection.close();
    const { code, err } = { ...(await this.#server.end('SIGTERM')), err: this.#server.err };
    if (code !== 0) this.#tally.violated(`the last stop ended with ${code}: ${err}`);
    this.#countSegments();
  }

  #countSegments(): void {
    const oldest = new Map<string, number>();
    for (const name of readdirSync(this.#folder)) {
      const match = /^g(\d+)-s(\d+)-(\d+)\.log$/.exec(name);
      if (match === null) continue;
      const [generation, shard, number] = match.slice(1).map(Number);
      this.#generation = Math.max(this.#generation, generation);
      oldest.set(String(shard), Math.min(oldest.get(String(shard)) ?? number, number));
    }
    for (const number of oldest.values()) this.#tally.segmentsRemoved += number - 1;
    this.#tally.rewrites += this.#generation - 1;
  }

  #generation = 1;

  async #cleanUp(): Promise<void> {
    this.#isGoing = false;
    await this.#server.end('SIGKILL');
    for (const connection of this.#connections) void connection.close().catch(() => {});
    // What was wrong is looked into in the files.
    if (this.#tally.violations.length > 0) console.error(`its files: ${this.#folder}`);
    else rmSync(this.#folder, { recursive: true });
  }
}

function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
}
