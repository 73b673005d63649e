/**
 * Registers over all shards: when the global limit is reached, the shard whose oldest session
 * committed longest ago evicts one, and the register tries again.
 *
 * Where places of ended sessions go back when that is on disk, a register waits for one that is on
 * its way, and is not refused. No more wait here than there are such places: where sessions come
 * and go all the time there always is one, and all would wait for it. Who is overtaken for long is
 * told that the server is busy.
 *
 * Each step runs directly when it can, and else travels through a ring; then the register waits in
 * a bounded table until the shard's outcome comes back. Room that an eviction made may be taken by
 * somebody else, so a register tries several times before it is refused.
 */
import { ErrorCode } from '../core/codes.ts';
import { copyWords } from '../core/copy.ts';
import { EvictFlag, Kind, Message } from '../core/message.ts';
import { type Answer, AnswerKind } from './answer.ts';
import { Dispatched, type Dispatcher, Ran, Submitted } from './dispatch.ts';
import { PENDING_REGISTERS_MAX, PLACE_WAIT_MS, REGISTER_TRIES_MAX } from './limits.ts';
import { placesComing } from './room.ts';
import type { ShardPort } from './shard-port.ts';

const enum Step {
  REGISTER = 0,
  EVICT = 1,
  /** Room is on its way: see `placesComing`. */
  WAIT = 2,
}

class PendingRegister {
  readonly message = new Message();
  /** Its own, because another register may go on while this one's is on its way to a shard. */
  readonly evict = new Message();
  body = new Int32Array(0);
  bytes = new Uint8Array(this.body.buffer);
  step: Step = Step.REGISTER;
  tries = 0;
  /** Until when it waits for a place; 0 = it has not begun to. */
  waitsUntilMs = 0;

  /** Its index, and a generation for each step that waits for an outcome. */
  reference: number;

  constructor(readonly index: number) {
    this.reference = index + 1;
    this.evict.kind = Kind.EVICT;
  }

  renew(): void {
    this.reference = (this.reference + REFERENCE_STEP) | 0;
    // 0 stands for a register that is not in the table.
    if (this.reference === 0) this.reference += REFERENCE_STEP;
  }
}

/** References of one index differ by this; an index is what remains of one, less 1. */
const REFERENCE_STEP = PENDING_REGISTERS_MAX;

export class RegisterFlow {
  readonly #router: Dispatcher;
  readonly #evicts: boolean;
  readonly #table: PendingRegister[] = [];
  readonly #free: PendingRegister[] = [];
  readonly #stalled: PendingRegister[] = [];
  /** Those that wait for room, which whoever writes a log wakes this thread for. */
  readonly #waiting: PendingRegister[] = [];

  constructor(router: Dispatcher, evicts: boolean) {
    this.#router = router;
    this.#evicts = evicts;
    for (let i = 0; i < PENDING_REGISTERS_MAX; i++) {
      const pending = new PendingRegister(i);
      this.#table.push(pending);
      this.#free.push(pending);
    }
  }

  /** Registers that wait for a shard. */
  get pending(): number {
    return PENDING_REGISTERS_MAX - this.#free.length;
  }

  /** Registers that found no room in a ring, and wait for `retry`. */
  get stalled(): number {
    return this.#stalled.length;
  }

  /** Whether a register that waited for room could go on. */
  get mayGoOn(): boolean {
    const { length } = this.#waiting;
    return length > 0 && this.#stepNow(length - 1) !== Step.WAIT;
  }

  submit(m: Message, port: ShardPort): Submitted {
    m.request = 0;
    const outcome = this.#router.dispatchDirect(m, port);
    if (outcome === Ran.DONE) return Submitted.TAKEN;
    const pending = this.#free.pop();
    if (pending === undefined) return Submitted.BLOCKED;
    keep(m, pending);
    pending.step = outcome === Ran.NO_ROOM ? this.#stepNow() : Step.REGISTER;
    pending.tries = 0;
    pending.waitsUntilMs = 0;
    this.#advance(pending, port);
    return Submitted.TAKEN;
  }

  /**
   * A step that went through a ring has come to an outcome. The next step has a reference of its
   * own: a worker that took over may tell the same outcome again.
   */
  resume(reference: number, outcome: Ran): void {
    const pending = this.#find(reference);
    if (pending === undefined) return;
    pending.renew();
    pending.message.request = pending.reference;
    const port = this.#router.portOf(pending.message);
    this.#next(pending, port, outcome);
    this.#advance(pending, port);
  }

  /** A register that went through a ring was answered. Forgets it, and clears its reference. */
  finish(a: Answer): void {
    const reference = a.kind === AnswerKind.REGISTERED ? a.code : a.request;
    if (reference === 0) return;
    if (a.kind === AnswerKind.REGISTERED) a.code = 0;
    else a.request = 0;
    const pending = this.#find(reference);
    if (pending !== undefined) this.#forget(pending);
  }

  /** Tries those again that waited for room, or for which a ring had none. */
  retry(): void {
    this.#retry(this.#waiting);
    this.#retry(this.#stalled);
  }

  #retry(registers: PendingRegister[]): void {
    if (registers.length === 0) return;
    // Who still waits goes back, one after the other: those before them in the list came first.
    for (const pending of registers.splice(0)) {
      this.#advance(pending, this.#router.portOf(pending.message));
    }
  }

  /** Runs steps until the register is answered or one of them is on its way through a ring. */
  #advance(pending: PendingRegister, port: ShardPort): void {
    const m = pending.message;
    while (m.request !== 0) {
      if (pending.step === Step.WAIT) pending.step = this.#stepNow();
      if (pending.step === Step.WAIT) return this.#wait(pending, port);
      const outcome =
        pending.step === Step.REGISTER
          ? this.#router.dispatch(m, port)
          : this.#dispatchEviction(pending, port);
      if (outcome === Dispatched.QUEUED || outcome === Ran.DONE) return;
      if (outcome === Dispatched.BLOCKED) {
        this.#stalled.push(pending);
        return;
      }
      this.#next(pending, port, outcome);
    }
  }

  #wait(pending: PendingRegister, port: ShardPort): void {
    const now = this.#router.clock.cell[0];
    if (pending.waitsUntilMs === 0) pending.waitsUntilMs = now + PLACE_WAIT_MS;
    if (now <= pending.waitsUntilMs) this.#waiting.push(pending);
    else this.#refuse(pending, port, ErrorCode.SERVER_BUSY);
  }

  /** Chooses the step after an outcome. */
  #next(pending: PendingRegister, port: ShardPort, outcome: number): void {
    const step = this.#stepNow();
    // Somebody else may have taken the place, and may let it go before the register is there.
    pending.step = outcome === Ran.EVICTED && step === Step.EVICT ? Step.REGISTER : step;
    pending.tries += 1;
    if (outcome === Ran.NOT_EXPIRED && pending.step === Step.EVICT) {
      this.#refuse(pending, port, ErrorCode.SESSIONS_EXHAUSTED);
    } else if (pending.tries > REGISTER_TRIES_MAX) {
      this.#refuse(pending, port, ErrorCode.SERVER_BUSY);
    }
  }

  /** @param ahead how many wait for room already, who came first */
  #stepNow(ahead = this.#waiting.length): Step {
    const { ledger, ports } = this.#router;
    // First, as a place is given back before it is no longer on its way: one of the two sees it.
    const coming = placesComing(ledger, ports);
    if (ledger.sessions() < ledger.sessionsMax) return Step.REGISTER;
    return coming > ahead ? Step.WAIT : Step.EVICT;
  }

  /** Asks the shard with the lowest bound to evict; refuses the register if there is none. */
  #dispatchEviction(pending: PendingRegister, port: ShardPort): number {
    const { ledger, ports } = this.#router;
    const shard = ledger.oldestShard();
    if (shard < 0) {
      // The place that somebody else's eviction made may still be free.
      if (ledger.sessions() < ledger.sessionsMax) return Ran.NOTHING_TO_EVICT;
      // A session that is just being admitted has no bound yet: then look again.
      pending.tries += 1;
      const { coming } = ledger;
      const mayLookAgain =
        pending.tries <= REGISTER_TRIES_MAX && !isAllPinned(ports, ledger.sessionsMax - coming);
      if (mayLookAgain) return Dispatched.BLOCKED;
      // Where places are on their way, others wait for them, or they cannot come now.
      const code = coming > 0 ? ErrorCode.SESSIONS_EXHAUSTED : ErrorCode.SERVER_BUSY;
      return this.#refuse(pending, port, code);
    }
    const { evict } = pending;
    // An engine that does not evict still reclaims a session that has expired.
    evict.flags = this.#evicts ? 0 : EvictFlag.EXPIRED;
    evict.frontEnd = pending.message.frontEnd;
    evict.request = pending.reference;
    evict.limitMs = ledger.lowestBoundBeside(shard);
    return this.#router.dispatch(evict, ports[shard]);
  }

  #refuse(pending: PendingRegister, port: ShardPort, code: ErrorCode): number {
    const m = pending.message;
    this.#forget(pending);
    this.#router.refuse(m, port, code);
    return Ran.DONE;
  }

  /** The register of a reference; a worker that took over may have told an outcome twice. */
  #find(reference: number): PendingRegister | undefined {
    const pending = this.#table[(reference - 1) & (PENDING_REGISTERS_MAX - 1)];
    return pending.message.request === reference ? pending : undefined;
  }

  #forget(pending: PendingRegister): void {
    pending.message.request = 0;
    pending.renew();
    this.#free.push(pending);
  }
}

/** Whether every one of so many sessions executes a request, so that none can be evicted. */
function isAllPinned(ports: readonly ShardPort[], sessions: number): boolean {
  let pinned = 0;
  for (const port of ports) pinned += port.pinned;
  return pinned >= sessions;
}

/** Copies a message, body and all, under the reference of the pending register. */
function keep(m: Message, pending: PendingRegister): void {
  const words = (m.bodyLength + 3) >>> 2;
  if (pending.body.length < words) {
    pending.body = new Int32Array(words);
    pending.bytes = new Uint8Array(pending.body.buffer);
  }
  copyWords(m.bodyWords, m.bodyWord, pending.body, 0, m.bodyLength);
  Object.assign(pending.message, m);
  pending.message.bodyWords = pending.body;
  pending.message.bodyBytes = pending.bytes;
  pending.message.bodyWord = 0;
  pending.message.request = pending.reference;
}
