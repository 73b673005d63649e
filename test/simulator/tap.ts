/**
 * Reads along what the server writes to its sockets, and checks each frame against what the oracle
 * knows: a reply belongs to its request and is the same every time, and no session is told to have
 * ended that has not.
 */
import { decode } from '@msgpack/msgpack';
import { ToClient } from '../../src/transport/protocol.ts';
import type { Outcome, SessionModel } from './model.ts';
import { type Ending, Oracle } from './oracle.ts';
import type { SimulatedSocket } from './socket.ts';

/** The server writes the length of each frame in this form. */
const HEADER_BYTES = 5;

export class Tap {
  /** Error codes that were sent, and how often. */
  readonly errors = new Map<string, number>();
  /** Where the frame at hand goes. */
  #socket: SimulatedSocket | undefined;
  readonly #rests = new WeakMap<SimulatedSocket, Buffer>();

  constructor(readonly oracle: Oracle) {}

  see(socket: SimulatedSocket, bytes: Uint8Array): void {
    const before = this.#rests.get(socket);
    let rest = before === undefined ? Buffer.from(bytes) : Buffer.concat([before, bytes]);
    this.#socket = socket;
    while (rest.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + rest.readUInt32BE(1);
      if (rest.length < end) break;
      this.#frame(rest.subarray(HEADER_BYTES, end));
      rest = rest.subarray(end);
    }
    this.#rests.set(socket, rest);
  }

  #frame(bytes: Buffer): void {
    this.oracle.tally.frames += 1;
    const frame = decode(bytes) as unknown[];
    switch (frame[0]) {
      case ToClient.REGISTERED:
        return this.#registered(hex(frame[1]), frame[2] as number, frame[3] as number);
      case ToClient.REPLY:
        return this.#reply(frame, bytes);
      case ToClient.RESULT:
        return this.#result(frame[3]);
      case ToClient.EVICTION:
        return this.#eviction(hex(frame[1]), frame[2] as number, String(frame[3]));
      case ToClient.ERROR: {
        const code = String(frame[1]);
        this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
        // A call that finds a session expired is told so, and names no session.
        const isEnd = code === 'expired' || code === 'no_session';
        if (isEnd && this.#socket !== undefined)
          this.#socket.endsToldMs = this.oracle.scheduler.nowMs;
      }
    }
  }

  #modelOf(id: string, session: number, what: string): SessionModel {
    return this.oracle.modelOf(id, session, what);
  }

  #registered(id: string, session: number, request: number): void {
    const model = this.#modelOf(id, session, 'registered');
    const known: Outcome[] = [...model.outcomes, ...this.oracle.possible(model)];
    const outcome = known.find((one) => one.request === request);
    if (outcome === undefined) return this.oracle.fail(`${model.name} never had ${request}`);
    this.#acknowledge(model, outcome);
    if (model.pending === undefined) this.#spoke(model);
  }

  #acknowledge(model: SessionModel, outcome: Outcome): void {
    if (!model.outcomes.includes(outcome) && model.pending !== undefined)
      model.settle(outcome, this.oracle.scheduler.nowMs);
    model.ack(outcome);
  }

  #reply(frame: unknown[], bytes: Buffer): void {
    const [, id, session, request, status, body] = frame;
    const model = this.#modelOf(hex(id), session as number, 'a reply');
    // Whoever is told of the end may take what was not answered for not executed.
    if (this.#socket !== undefined && model.toldOn.has(this.#socket)) {
      this.oracle.fail(`${model.name} gets a reply to ${request} after it was told of its end`);
    }
    const own = model.outcomes.filter(
      (one) => one.request === request && one.nonce !== 0 && one.isCall !== true,
    );
    const instead = this.oracle.insteadOf(model);
    const possible = [...own, ...this.oracle.possible(model)];
    if (instead !== undefined && instead.request === request) possible.push(instead);
    const text = JSON.stringify(body);
    const fits = ({ request: of, status: expected, reply }: Outcome): boolean =>
      of === request && expected === status && (reply === undefined || reply === text);
    const outcome = possible.find((one) => fits(one));
    const what = `the reply to ${request} on ${model.name}: ${status} ${text}`;
    if (outcome === undefined) return this.oracle.fail(`${what}, not ${JSON.stringify(possible)}`);
    const seen = bytes.toString('hex');
    if (outcome.bytes === undefined) outcome.bytes = seen;
    else {
      this.oracle.tally.replays += 1;
      if (outcome.bytes !== seen) this.oracle.fail(`${what} differs from the one before`);
    }
    this.#acknowledge(model, outcome);
    // A late duplicate does not draw the next reply to itself.
    if (model.pending === undefined) this.#spoke(model);
  }

  /** Of calls on sessions; results of the server's own operations are no arrays. */
  #result(body: unknown): void {
    if (!Array.isArray(body)) return;
    const [nonce] = body;
    const text = JSON.stringify(body);
    const look = this.oracle.looks.get(nonce);
    const done = this.oracle.nonces.get(nonce);
    const expected = look?.reply ?? done?.outcome.reply;
    if (expected !== text) this.oracle.fail(`a result is ${text}, and should be ${expected}`);
    const model = look?.model ?? done?.model;
    if (look !== undefined) look.model.acked = Math.max(look.model.acked, look.index);
    else if (model !== undefined) model.ack(done!.outcome);
  }

  #eviction(id: string, session: number, reason: string): void {
    const model = this.oracle.models.get(Oracle.key(id, session));
    if (model === undefined) return;
    if (model.isLive) this.#endedUnseen(model, reason);
    model.endAcked = true;
    if (this.#socket !== undefined) model.toldOn.add(this.#socket);
  }

  /**
   * Frames of several connections are not written in the order of what they tell. With one that
   * comes from another when the session has ended, nobody knows which of them it spoke on last.
   */
  #spoke(model: SessionModel): void {
    if (model.isLive) model.route = this.#socket;
    else if (model.route !== this.#socket) model.route = undefined;
  }

  /** The worker that ended it died before it said so; the next look at the table finds it gone. */
  #endedUnseen(model: SessionModel, reason: string): void {
    const { options, deathsSeen } = this.oracle;
    if (options.deaths() === deathsSeen) {
      this.oracle.fail(`${model.name} is told ${reason}, and is live`);
    }
    model.ended = 'ended unseen';
  }
}

/** An answer is on its way for so long at most, once nothing is under way in the server. */
const PUSH_STEPS = 300;
const PUSH_MS = 10;

/**
 * The end of a session is pushed to the connection it last spoke on. Called when the server has
 * nothing under way.
 */
export function checkPushed(oracle: Oracle): void {
  const { steps, nowMs } = oracle.scheduler;
  const isDue = (one: Ending): boolean =>
    one.steps + PUSH_STEPS < steps && one.nowMs + PUSH_MS < nowMs;
  for (const { model, deaths, nowMs: endedMs } of oracle.untold.filter((one) => isDue(one))) {
    const { route, name, ended, toldOn } = model;
    // A worker that died may have ended it and said nothing any more.
    if (deaths !== oracle.options.deaths()) continue;
    if (route?.isHeard !== true || toldOn.has(route)) continue;
    if (route.endsToldMs < endedMs) oracle.fail(`${name} is ${ended}, and nobody was told`);
  }
  oracle.untold = oracle.untold.filter((one) => !isDue(one));
}

function hex(id: unknown): string {
  return Buffer.from(id as Uint8Array).toString('hex');
}
