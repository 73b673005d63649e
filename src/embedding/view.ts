/**
 * A synchronous view of the engine's shards for one thread: each call takes the shard's owner
 * word, runs, and lets go. Any number of threads of the process may have one.
 */
import { Arena } from '../core/arena.ts';
import { assert } from '../core/assert.ts';
import type { ClientId } from '../core/client-id.ts';
import { ErrorCode } from '../core/codes.ts';
import { SessileError } from '../core/errors.ts';
import { shardOf } from '../core/hash.ts';
import { Ledger } from '../core/ledger.ts';
import { EvictFlag, Kind, Message } from '../core/message.ts';
import { SessionTable } from '../core/session-table.ts';
import type { CheckedService } from '../services/service.ts';
import { Clock } from '../workers/clock.ts';
import { Ran } from '../workers/dispatch.ts';
import { Executions } from '../workers/executions.ts';
import { PLACE_WAIT_MS, REGISTER_TRIES_MAX } from '../workers/limits.ts';
import { placesComing } from '../workers/room.ts';
import { logBufferOf, type ShardMemory } from '../workers/shard-memory.ts';
import {
  answerError,
  decodeRegistered,
  decodeReply,
  operationNumber,
  refusal,
  setBody,
  setId,
  setRegister,
  setRequestNumber,
  setSession,
} from './encoding.ts';
import { type Begun, TwoPhase } from './two-phase.ts';
import type { Registered, RegisterOptions, Reply } from './types.ts';
import { NO_FRONT_END, pause, ViewShard } from './view-shard.ts';

/** What a view asks of the thread it belongs to. */
export interface ViewHooks {
  readonly closed: () => void;
  /** It waits for a shard: whatever this thread can do to let it go on. */
  readonly relieve: () => void;
  /** Writes what was logged, if this thread does that; otherwise whoever does is woken. */
  readonly writeLog?: () => void;
}

export class EngineView {
  readonly #clock = new Clock();
  readonly #ledger: Ledger;
  readonly #shards: readonly ViewShard[];
  readonly #checked: CheckedService;
  readonly #evicts: boolean;
  readonly #bodyBytesMax: number;
  readonly #dataBytesMax: number;
  readonly #message = new Message();
  readonly #evict = new Message();
  readonly #twoPhase: TwoPhase;
  readonly #hooks: ViewHooks;
  #isOpen = true;

  constructor(memory: ShardMemory, checked: CheckedService, runner: number, hooks: ViewHooks) {
    if (!checked.portable) {
      throw new SessileError(
        'service_not_portable',
        `the service ${checked.service.name} is not portable: only its worker may run it`,
        { service: checked.service.name },
      );
    }
    this.#checked = checked;
    this.#evicts = memory.config.evicts;
    this.#hooks = hooks;
    this.#bodyBytesMax = memory.config.bodyBytesMax;
    this.#dataBytesMax = memory.config.dataBytesMax;
    this.#ledger = new Ledger(memory.ledger);
    const executions = new Executions(0, 0, memory.arenas.length, noWake);
    this.#shards = memory.arenas.map((sab, shard) => {
      const arena = new Arena(sab);
      const buffer = logBufferOf(memory, shard);
      const table = new SessionTable(arena, this.#ledger, this.#clock.cell, runner, buffer);
      return new ViewShard(memory, table, shard, checked, executions, hooks);
    });
    this.#evict.kind = Kind.EVICT;
    this.#evict.frontEnd = NO_FRONT_END;
    this.#twoPhase = new TwoPhase(this.#clock, this.#shards);
  }

  /** As `Engine.register`. Throws `RefusedError`. */
  register(id: ClientId, options: RegisterOptions = {}): Registered {
    const m = this.#message;
    setRegister(m, id, options, this.#checked, this.#dataBytesMax);
    const shard = this.#prepare(m);
    for (let tries = 0; tries < REGISTER_TRIES_MAX; tries++) {
      if (shard.run(m) === Ran.DONE) {
        if (shard.isSuccess) return decodeRegistered(shard.answer, this.#checked.capabilities);
        throw answerError(shard.answer);
      }
      this.#makeRoom();
    }
    throw refusal(ErrorCode.SERVER_BUSY, {});
  }

  /** As `Engine.request`, at once. Throws `SessionEvictedError` or `RefusedError`. */
  request(
    id: ClientId,
    session: number,
    request: number,
    operation: string | number,
    body?: unknown,
  ): Reply {
    const m = this.#message;
    m.kind = Kind.REQUEST;
    setId(m, id);
    setSession(m, session);
    setRequestNumber(m, request);
    m.operation = operationNumber(this.#checked, operation);
    setBody(m, body, this.#bodyBytesMax);
    return this.#reply(m);
  }

  /** As `Engine.call`, at once. */
  call(id: ClientId, operation: string | number, body?: unknown): Reply {
    const m = this.#message;
    m.kind = Kind.CALL;
    setId(m, id);
    setSession(m, 0);
    m.request = 0;
    m.operation = operationNumber(this.#checked, operation);
    setBody(m, body, this.#bodyBytesMax);
    return this.#reply(m);
  }

  /** Ends a session; session 0 is whichever is live. */
  close(id: ClientId, session = 0): void {
    const m = this.#message;
    m.kind = Kind.CLOSE;
    m.flags = 0;
    setId(m, id);
    setSession(m, session);
    m.request = 0;
    m.bodyLength = 0;
    const shard = this.#prepare(m);
    shard.run(m);
    if (!shard.isClosed) throw answerError(shard.answer);
  }

  /**
   * The first half of a request whose work the caller does itself. `operation` and `body` only
   * tell a duplicate from another request with the same number. On `execute` the session is pinned
   * until `commit` or `abort`.
   */
  begin(id: ClientId, session: number, request: number, operation = 0, body?: unknown): Begun {
    const m = this.#message;
    m.kind = Kind.REQUEST;
    setId(m, id);
    setSession(m, session);
    setRequestNumber(m, request);
    m.operation = operation;
    setBody(m, body, this.#bodyBytesMax);
    const shard = this.#prepare(m);
    return this.#twoPhase.begin(this.#shards.indexOf(shard), m);
  }

  /** The second half: stores the reply and consumes the request number. */
  commit(begun: Begun, reply: unknown, status: Reply['status'] = 'ok'): void {
    this.#twoPhase.commit(begun, reply, status);
  }

  /** Gives a begun request up: its number is not consumed. */
  abort(begun: Begun): void {
    this.#twoPhase.abort(begun);
  }

  /** Live sessions over all shards. */
  get sessions(): number {
    return this.#ledger.live;
  }

  /** Gives the view up; the tables stay. Begun requests should have been committed or aborted. */
  release(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#hooks.closed();
  }

  #reply(m: Message): Reply {
    const shard = this.#prepare(m);
    shard.run(m);
    if (shard.isSuccess) return decodeReply(shard.answer);
    if (shard.hasAnswer) throw answerError(shard.answer);
    // Another thread executes this very request between `begin` and `commit`.
    throw refusal(ErrorCode.REQUEST_IN_FLIGHT, {});
  }

  #prepare(m: Message): ViewShard {
    assert(this.#isOpen, 'a view is not used after its release');
    m.frontEnd = NO_FRONT_END;
    m.token = 0;
    m.hash = this.#shards[0].table.hash(m.id0, m.id1, m.id2, m.id3);
    this.#clock.read();
    return this.#shards[shardOf(m.hash, this.#shards.length)];
  }

  #makeRoom(): void {
    if (this.#awaitRoom()) return;
    const oldest = this.#ledger.oldestShard();
    const pinned = this.#shards.reduce((sum, shard) => sum + shard.pinned, 0);
    // A place that was just made may still be free, and who is being admitted has no bound yet.
    if (oldest < 0 && pinned < this.#ledger.sessionsMax) return;
    if (oldest < 0) throw refusal(ErrorCode.SERVER_BUSY, {});
    this.#evict.limitMs = this.#ledger.lowestBoundBeside(oldest);
    this.#evict.flags = this.#evicts ? 0 : EvictFlag.EXPIRED;
    const ran = this.#shards[oldest].run(this.#evict);
    if (ran !== Ran.NOT_EXPIRED || this.#awaitRoom()) return;
    throw refusal(ErrorCode.SESSIONS_EXHAUSTED, {});
  }

  /** Waits for a place whose end is being written, if there is one. True when there is room. */
  #awaitRoom(): boolean {
    const ledger = this.#ledger;
    const deadline = performance.now() + PLACE_WAIT_MS;
    while (ledger.sessions() === ledger.sessionsMax && placesComing(ledger, this.#shards) > 0) {
      this.#hooks.relieve();
      if (performance.now() > deadline) throw refusal(ErrorCode.SERVER_BUSY, {});
      pause();
    }
    return ledger.sessions() < ledger.sessionsMax;
  }
}

/** A view's operations are synchronous, so nothing of it ever settles later. */
function noWake(): void {}
