/**
 * Puts load on a shard through its rings, as a front end does, but from plain memory and without a
 * promise for each request: many requests in flight, each session's next one when it was answered.
 */
import { Kind, Message } from '../../dist/core/message.js';
import type { Engine } from '../../dist/engine.js';
import { encodeValue } from '../../dist/services/values.js';
import type { Router } from '../../dist/workers/router.js';
import type { Operation } from './job.ts';

/** Many batches of a shard, and below what the smallest ring of answers holds. */
export const SESSIONS = 4_096;

/** Messages that are made visible at a time: eight full batches, each of which reads the clock. */
const BURST = 2_048;

/** Registers that a front end keeps under way, and closes that then follow on them. */
const LIFETIMES = 256;

/** The answers that tell that what was asked was done. */
const enum Answered {
  REGISTERED = 1,
  REPLY = 2,
  CLOSED = 4,
}

/** How long to sleep when there is nothing to read. */
const IDLE_MS = 0.02;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

const TEXT = 'x'.repeat(64);
const BODIES: Readonly<Record<Operation, unknown>> = {
  echo: TEXT,
  get: null,
  put: { value: TEXT },
  touch: null,
  register: null,
};

export class Driver {
  readonly #router: Router;
  readonly #message = new Message();
  readonly #token: number;
  readonly #isRegister: boolean;
  readonly #sessionLow = new Int32Array(SESSIONS);
  readonly #sessionHigh = new Int32Array(SESSIONS);
  #sent = 0;
  #answered = 0;

  constructor(engine: Engine, operation: Operation) {
    this.#router = engine.router;
    this.#isRegister = operation === 'register';
    const wanted: readonly number[] = this.#isRegister
      ? [Answered.REGISTERED, Answered.CLOSED]
      : [Answered.REPLY];
    this.#token = this.#router.open({
      answer: ({ kind, code }) => {
        if (!wanted.includes(kind)) throw new Error(`an answer of kind ${kind}, code ${code}`);
        this.#answered += 1;
      },
    });
    const m = this.#message;
    const body = encodeValue(BODIES[operation]);
    m.bodyWords = new Int32Array((body.length + 3) >>> 2);
    m.bodyBytes = new Uint8Array(m.bodyWords.buffer);
    m.bodyBytes.set(body);
    m.bodyLength = this.#isRegister ? 0 : body.length;
    m.operation = engine.checked.names[operation] ?? 0;
  }

  /** Registers the sessions that requests use. */
  async open(engine: Engine): Promise<void> {
    for (let at = 0; at < SESSIONS; at++) {
      const id = new Uint8Array(Int32Array.of(at + 1, 1, 2, 3).buffer);
      const { session } = await engine.register(id);
      this.#sessionLow[at] = session | 0;
      this.#sessionHigh[at] = Math.floor(session / 2 ** 32);
    }
  }

  /** Does so many requests; returns when all were answered. */
  run(count: number): void {
    const last = this.#answered + count;
    const end = this.#sent + count;
    while (this.#answered < last) {
      const room = SESSIONS - (this.#sent - this.#answered);
      const burst = Math.min(BURST, end - this.#sent);
      if (room >= burst) this.#send(burst);
      // Where there are fewer cores than threads, the shard's thread needs this one's.
      if (!this.#router.poll()) Atomics.wait(sleeper, 0, 0, IDLE_MS);
    }
  }

  #send(count: number): void {
    const router = this.#router;
    router.begin(count);
    for (let i = 0; i < count; i++) {
      this.#fill();
      // No room now: once answers were read there is.
      if ((router.submit(this.#message) as number) !== 0) break;
      this.#sent += 1;
    }
    router.end();
  }

  #fill(): void {
    if (this.#isRegister) this.#fillLifetime();
    else this.#fillRequest();
  }

  #fillRequest(): void {
    const m = this.#message;
    const at = this.#sent % SESSIONS;
    m.kind = Kind.REQUEST;
    m.token = this.#token;
    m.bodyWord = 0;
    this.#fillId(at + 1, 1);
    m.sessionLow = this.#sessionLow[at];
    m.sessionHigh = this.#sessionHigh[at];
    // Sessions take turns, so a request's number follows from how many there were.
    m.request = Math.floor(this.#sent / SESSIONS) + 1;
  }

  /** Some registers, then as many closes of the same, and so on. */
  #fillLifetime(): void {
    const m = this.#message;
    const round = Math.floor(this.#sent / (2 * LIFETIMES));
    const isClose = this.#sent % (2 * LIFETIMES) >= LIFETIMES;
    m.kind = isClose ? Kind.CLOSE : Kind.REGISTER;
    m.token = this.#token;
    m.flags = 0;
    this.#fillId(round * LIFETIMES + (this.#sent % LIFETIMES), 9);
  }

  #fillId(id0: number, id1: number): void {
    const m = this.#message;
    m.id0 = id0;
    m.id1 = id1;
    m.id2 = 2;
    m.id3 = 3;
  }
}
