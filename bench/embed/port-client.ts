/**
 * Requests to a store thread by `postMessage`: one at a time, or several in flight. And the
 * synchronous way: the thread sleeps in `Atomics.wait` until the answer is there.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { Client } from './client.ts';
import { bodyOf, type Job, type Operation, SESSIONS_PER_THREAD, sessionId } from './job.ts';
import type { StoreReply, StoreRequest } from './map-store.ts';

/** A store that does not answer for so long is taken for dead. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The sessions of a thread, each used in turn. */
class Requests {
  readonly #keys: string[] = [];
  readonly #numbers: number[] = [];
  #operation: Operation = 'echo';
  #body: unknown;
  #at = 0;

  prepare(job: Job): void {
    this.#operation = job.operation;
    this.#body = bodyOf(job.operation);
    if (this.#keys.length > 0) return;
    for (let n = 0; n < SESSIONS_PER_THREAD; n++) {
      this.#keys.push(Buffer.from(sessionId(job.thread, n)).toString('hex'));
      this.#numbers.push(0);
    }
  }

  next(): StoreRequest {
    this.#at = this.#at + 1 < this.#keys.length ? this.#at + 1 : 0;
    const at = this.#at;
    this.#numbers[at] += 1;
    const number = this.#numbers[at];
    return { key: this.#keys[at], number, operation: this.#operation, body: this.#body };
  }
}

function check(reply: StoreReply): void {
  if (reply.status !== 'ok') throw new Error(`the store refused request ${reply.number}`);
}

export class PortClient implements Client {
  readonly #requests = new Requests();
  readonly #port: MessagePort;
  #inFlight = 1;
  #answered: (reply: StoreReply) => void = () => {};

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (reply: StoreReply) => this.#answered(reply));
  }

  prepare(job: Job): void {
    this.#requests.prepare(job);
    this.#inFlight = job.inFlight;
  }

  requests(count: number, times: Float64Array | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      let sent = 0;
      let answered = 0;
      let before = 0;
      const send = (): void => {
        sent += 1;
        before = performance.now();
        this.#port.postMessage(this.#requests.next());
      };
      this.#answered = (reply) => {
        if (times !== undefined) times[answered] = performance.now() - before;
        answered += 1;
        if (reply.status !== 'ok') reject(new Error(`request ${reply.number} was refused`));
        if (sent < count) send();
        else if (answered === count) resolve();
      };
      while (sent < Math.min(this.#inFlight, count)) send();
    });
  }
}

export class WaitingClient implements Client {
  readonly #requests = new Requests();
  readonly #port: MessagePort;
  readonly #bell: Int32Array;

  constructor(port: MessagePort, bell: SharedArrayBuffer) {
    this.#port = port;
    this.#bell = new Int32Array(bell);
  }

  prepare(job: Job): void {
    this.#requests.prepare(job);
  }

  requests(count: number, times: Float64Array | undefined): void {
    for (let i = 0; i < count; i++) {
      const before = times === undefined ? 0 : performance.now();
      check(this.#request());
      if (times !== undefined) times[i] = performance.now() - before;
    }
  }

  #request(): StoreReply {
    const seen = Atomics.load(this.#bell, 0);
    this.#port.postMessage(this.#requests.next());
    // The store posts its answer before it rings, so it is there once the bell has changed. The
    // notification of the request before may still come late and wake this one in vain.
    while (Atomics.load(this.#bell, 0) === seen) {
      if (Atomics.wait(this.#bell, 0, seen, ANSWER_TIMEOUT_MS) === 'timed-out') {
        throw new Error('the store thread does not answer');
      }
    }
    const received = receiveMessageOnPort(this.#port);
    if (received === undefined) throw new Error('the store thread rang and gave no answer');
    return received.message as StoreReply;
  }
}
