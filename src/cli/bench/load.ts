/**
 * A run of the load: opens the connections, registers the sessions, keeps the pace, and sees to the
 * end. Connections that are lost on the way are made again for a while; when that fails the run is
 * over, and what was seen until then counts.
 */
import { SessileError } from '../../core/errors.ts';
import { ConnectionClosedError } from '../../transport/client/errors.ts';
import type { Welcome } from '../../transport/client/welcome.ts';
import type { Endpoint } from '../endpoint.ts';
import { PREFIX_BYTES } from './ids.ts';
import { LoadConnection } from './load-connection.ts';
import type { LoadHost } from './load-host.ts';
import { Pace } from './pace.ts';
import type { Plan } from './plan.ts';
import { seededBytes } from './seed.ts';
import { countsText, Tally } from './tally.ts';
import { checkBatch, type Target, targetOf } from './target.ts';

/** A try to connect again follows the last one after so long. */
const REDIAL_MS = 50;
/** A timer may be a millisecond late; what is due sooner than this is waited for awake. */
const AWAKE_MS = 2;
/** While there is a backlog and no room, the answers drive the load; this only makes sure. */
const CHECK_MS = 10;

/** How a run ended. */
export type Ending = 'done' | 'interrupted' | 'server_gone';

export interface Outcome {
  readonly ending: Ending;
  /** With `server_gone`, what the last connection said. */
  readonly error: SessileError | undefined;
  readonly seconds: number;
  /** The load's own use of a processor: near 1 it is what limits the rate. */
  readonly cpu: number;
  /** Requests that were sent or begun and never answered. */
  readonly unanswered: number;
  /** Open loop: requests that were due and could not be sent in time for the end. */
  readonly behind: number;
}

export class Load implements LoadHost {
  readonly pace: Pace;
  readonly tally = new Tally();
  readonly prefix: Uint8Array;
  readonly inFlight: number;
  readonly connections: LoadConnection[] = [];
  readonly #plan: Plan;
  readonly #redialing = new Map<LoadConnection, number>();
  #target: Target | undefined;
  #welcome: Welcome | undefined;
  #waiting = 0;
  #prepare: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #finish: ((ending: Ending) => void) | undefined;
  #error: SessileError | undefined;
  /** Of the last register before the load that was refused. */
  #refusal: SessileError | undefined;
  #turn = 0;
  #startedMs = 0;
  /** More was due than there was room for. */
  #isBlocked = false;
  #behind = 0;
  /** Bytes received up to the last look at whether the server still answers. */
  #heard = 0;

  constructor(
    plan: Plan,
    readonly endpoint: Endpoint,
  ) {
    const { connections, sessions, inFlight, rate, requests, seed } = plan;
    this.#plan = plan;
    this.inFlight = inFlight;
    this.pace = new Pace(rate, requests ?? Number.POSITIVE_INFINITY);
    this.prefix = seededBytes(seed, 'ids', PREFIX_BYTES);
    // No id may be all zero.
    this.prefix[0] |= 1;
    for (let i = 0, base = 0; i < connections; i++) {
      const end = Math.floor((sessions * (i + 1)) / connections);
      this.connections.push(new LoadConnection(this, base, end - base));
      base = end;
    }
  }

  get welcome(): Welcome {
    return this.#welcome!;
  }

  get target(): Target {
    return this.#target!;
  }

  /**
   * Connects and registers all sessions. Rejects if that fails: nobody there, refused, not one
   * session registered, or an operation that the server has not.
   */
  async prepare(): Promise<void> {
    const stalled = setInterval(() => this.#checkProgress(), this.endpoint.timeoutMs);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#prepare = { resolve, reject };
        this.#waiting = this.connections.length;
        // The others follow when the first was welcomed: one that is refused says it once.
        this.connections[0].dial();
      });
    } finally {
      clearInterval(stalled);
      this.#prepare = undefined;
    }
  }

  /** Sends requests until the plan is fulfilled, or somebody ends it. */
  async run(): Promise<Outcome> {
    const { seconds, warmUpSeconds } = this.#plan;
    const timers: NodeJS.Timeout[] = [];
    const after = (s: number, action: () => void) => timers.push(setTimeout(action, s * 1000));
    let cpuBefore = process.cpuUsage();
    const measure = (): void => {
      this.tally.reset();
      cpuBefore = process.cpuUsage();
      this.#startedMs = performance.now();
      if (seconds !== undefined) after(seconds, () => this.#stop('done'));
    };
    const ended = new Promise<Ending>((resolve) => {
      this.#finish = resolve;
    });
    this.pace.start(performance.now());
    this.#startedMs = performance.now();
    if (warmUpSeconds > 0) after(warmUpSeconds, measure);
    else measure();
    const stalled = setInterval(() => this.#checkProgress(), this.endpoint.timeoutMs);
    this.#tick();
    const ending = await ended;
    clearInterval(stalled);
    for (const timer of timers) clearTimeout(timer);
    // A server that is gone has not been at work since it was last heard.
    const endMs = ending === 'server_gone' ? this.tally.heardMs : performance.now();
    const elapsed = Math.max(0, endMs - this.#startedMs) / 1000;
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      ending,
      error: this.#error,
      seconds: elapsed,
      cpu: elapsed > 0 ? (user + system) / 1e6 / elapsed : 0,
      unanswered: this.#underWay(),
      behind: this.#behind,
    };
  }

  /** Ends the run early; what is under way is still awaited. */
  interrupt(): void {
    if (this.#prepare !== undefined) {
      this.#prepare.reject(new SessileError('interrupted', 'interrupted before the load began'));
    }
    this.#stop('interrupted');
  }

  /** Seconds since the measurement began. */
  get elapsed(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  close(): void {
    this.#finish = undefined;
    for (const connection of this.connections) connection.close(this.#plan.keep);
  }

  // What the connections tell.

  welcomed(connection: LoadConnection, welcome: Welcome): void {
    this.#redialing.delete(connection);
    if (this.#prepare === undefined) {
      this.tally.reconnects += 1;
      return;
    }
    try {
      if (this.#target === undefined) {
        this.#welcome = welcome;
        this.#target = targetOf(this.#plan, welcome);
        checkBatch(this.#target, this.inFlight);
        for (const other of this.connections.slice(1)) other.dial();
      }
      connection.prepare(this.#target);
    } catch (error) {
      this.#prepare.reject(error);
    }
  }

  notRegistered(error: SessileError): void {
    this.tally.notRegistered(error.code);
    this.#refusal = error;
  }

  prepared(): void {
    this.#waiting -= 1;
    if (this.#waiting > 0) return;
    const { registered, registerErrors } = this.tally;
    if (registered > 0 || this.#refusal === undefined) return this.#prepare?.resolve();
    const { code, message } = this.#refusal;
    const text = `none of ${this.#plan.sessions} sessions could be registered`;
    const why = `${countsText(registerErrors)}; the last one because ${message}`;
    this.#prepare?.reject(new SessileError(code, `${text}: ${why}`));
  }

  quiet(): void {
    if (this.pace.isOver && this.#underWay() === 0) this.#end('done');
  }

  lost(connection: LoadConnection, error: SessileError): void {
    if (this.#prepare !== undefined) return this.#prepare.reject(error);
    if (this.#finish === undefined) return;
    const since = this.#redialing.get(connection) ?? performance.now();
    this.#redialing.set(connection, since);
    const isPatient = performance.now() - since < this.#plan.reconnectMs;
    if (isPatient) {
      setTimeout(() => {
        if (this.#finish !== undefined) connection.dial();
      }, REDIAL_MS);
      return;
    }
    this.#error = error;
    this.#end('server_gone');
  }

  /** Sends what is due, and sees to the next time. */
  readonly #tick = (): void => {
    if (this.#finish === undefined) return;
    const { pace } = this;
    const nowMs = performance.now();
    const hasRoom = !this.#isBlocked;
    if (hasRoom && pace.isOpenLoop && pace.ready(nowMs)) this.tally.late(nowMs - pace.nextMs);
    this.#pump(nowMs);
    if (!pace.isOpenLoop || pace.isOver) return;
    const waitMs = pace.nextMs - nowMs;
    if (waitMs <= 0) setTimeout(this.#tick, CHECK_MS);
    else if (waitMs < AWAKE_MS) setImmediate(this.#tick);
    else setTimeout(this.#tick, waitMs - AWAKE_MS / 2);
  };

  /** Sends what is due; in an open loop a request for each connection in turn. */
  #pump(nowMs: number): void {
    const { connections, pace } = this;
    const share = pace.isOpenLoop ? 1 : this.inFlight;
    for (let idle = 0; idle < connections.length && pace.ready(nowMs); ) {
      const connection = connections[this.#turn];
      this.#turn = this.#turn + 1 === connections.length ? 0 : this.#turn + 1;
      idle = connection.pump(nowMs, share) === 0 ? idle + 1 : 0;
    }
    for (const connection of connections) connection.flush();
    this.#isBlocked = pace.ready(nowMs);
  }

  /** Sends no more requests, and ends when what is under way was answered. */
  #stop(ending: Ending): void {
    if (this.#finish === undefined) return;
    // What is due by now and has room is sent yet: it is not the server that it waits for.
    const nowMs = performance.now();
    this.#pump(nowMs);
    this.#behind = this.pace.behind(nowMs);
    this.pace.stop();
    const finish = this.#finish;
    this.#finish = () => finish(ending);
    if (this.#underWay() === 0) return this.#end(ending);
    setTimeout(() => this.#end(ending), this.endpoint.timeoutMs).unref();
  }

  #end(ending: Ending): void {
    const finish = this.#finish;
    this.#finish = undefined;
    finish?.(ending);
  }

  #underWay(): number {
    return this.connections.reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  /** Gives up when something is under way and the server has said nothing for a while. */
  #checkProgress(): void {
    const { bytesIn } = this.tally;
    const isStalled = bytesIn === this.#heard;
    this.#heard = bytesIn;
    if (!isStalled) return;
    const { timeoutMs } = this.endpoint;
    const error = new ConnectionClosedError(`no answer within ${timeoutMs} ms`);
    if (this.#prepare !== undefined) return this.#prepare.reject(error);
    if (this.#underWay() === 0) return;
    this.#error = error;
    this.#end('server_gone');
  }
}
