/**
 * A store of keys in memory, with the rules of the engine that keys rely on: the TTL, session and
 * request numbers, the stored reply, the limit on data. Values go through msgpack, as they would.
 */
import {
  RefusedError,
  ReplyStatusError,
  SessionEvictedError,
} from '../../src/core/session-errors.ts';
import type { KeyClock } from '../../src/keys/clock.ts';
import type { KeyRegistered, KeyRegisterOptions, KeyStore } from '../../src/keys/store.ts';
import { decodeValue, encodeValue } from '../../src/services/values.ts';

interface FakeSession {
  readonly number: number;
  ttlMs: number;
  activeMs: number;
  data: Uint8Array;
  version: number;
  request: number;
  reply: unknown;
}

export class FakeStore implements KeyStore {
  /** What was asked, as `operation` or `register` and `close`. */
  readonly log: string[] = [];
  /** Throws what the next message of this name shall fail with, before or after it had effect. */
  before: (what: string) => void = () => {};
  after: (what: string) => void = () => {};
  dataBytesMax = 1024;
  bodyBytesMax = 65_000;
  readonly #sessions = new Map<string, FakeSession>();
  #numbers = 0;

  constructor(readonly clock: KeyClock) {}

  async register(id: Uint8Array, options: KeyRegisterOptions): Promise<KeyRegistered> {
    this.#hear('register');
    const live = this.#live(id);
    if (live !== undefined) return { session: live.number, resumed: true };
    this.#numbers += 1;
    const nowMs = this.clock.nowMs();
    this.#sessions.set(textOf(id), {
      number: this.#numbers,
      ttlMs: options.ttlMs,
      activeMs: nowMs,
      data: this.#data(options.data),
      version: 0,
      request: 0,
      reply: undefined,
    });
    this.after('register');
    return { session: this.#numbers, resumed: false };
  }

  async call(id: Uint8Array, operation: string): Promise<unknown> {
    this.#hear(operation);
    const live = this.#live(id);
    if (live === undefined) throw new RefusedError('no_session', 'there is no live session');
    if (operation === 'peek') return [live.version, decodeValue(live.data)];
    if (operation !== 'touch') throw new RefusedError('unknown_operation', operation);
    live.activeMs = this.clock.nowMs();
    return null;
  }

  async request(
    id: Uint8Array,
    session: number,
    request: number,
    operation: string,
    body: unknown,
  ): Promise<unknown> {
    const bytes = encodeValue(body);
    if (bytes.byteLength > this.bodyBytesMax) throw new RefusedError('body_too_large', 'the body');
    this.#hear(operation);
    const live = this.#live(id);
    if (live === undefined || session !== live.number) {
      const reason = live === undefined ? 'no_session' : 'session_too_low';
      throw new SessionEvictedError(reason, textOf(id), session);
    }
    if (request !== live.request + 1) throw new RefusedError('request_gap', `${request}`);
    live.request = request;
    const [[put, data], [setTtl, ttlMs]] = decodeValue(bytes) as [
      [string, unknown],
      [string, number],
    ];
    if (operation !== 'batch' || put !== 'put' || setTtl !== 'set_ttl') throw new Error('what?');
    live.activeMs = this.clock.nowMs();
    live.data = this.#data(data);
    live.ttlMs = ttlMs;
    live.version += 1;
    this.after(operation);
    return [live.version, null];
  }

  async close(id: Uint8Array, session: number): Promise<void> {
    this.#hear('close');
    const live = this.#live(id);
    if (live === undefined) return;
    if (live.number !== session)
      throw new SessionEvictedError('session_too_low', textOf(id), session);
    this.#sessions.delete(textOf(id));
  }

  /** Ends all sessions, as a restart or evictions would. */
  clear(): void {
    this.#sessions.clear();
  }

  count(what: string): number {
    return this.log.filter((entry) => entry === what).length;
  }

  /** The data of the only session. */
  get data(): unknown {
    const [session] = this.#sessions.values();
    return session === undefined ? undefined : decodeValue(session.data);
  }

  #hear(what: string): void {
    this.before(what);
    this.log.push(what);
  }

  #live(id: Uint8Array): FakeSession | undefined {
    const session = this.#sessions.get(textOf(id));
    if (session === undefined) return undefined;
    if (this.clock.nowMs() - session.activeMs <= session.ttlMs) return session;
    this.#sessions.delete(textOf(id));
    return undefined;
  }

  #data(value: unknown): Uint8Array {
    const bytes = encodeValue(value, 'data');
    if (bytes.byteLength > this.dataBytesMax) throw new ReplyStatusError('too_large', null);
    return bytes;
  }
}

function textOf(id: Uint8Array): string {
  return Buffer.from(id).toString('hex');
}
