/** Keys in an embedded engine, through its promises or through a synchronous view. */
import { ReplyStatusError } from '../core/session-errors.ts';
import type { Registered, Reply } from '../embedding/types.ts';
import {
  type KeyRegistered,
  type KeyRegisterOptions,
  type KeyStore,
  requireOperations,
} from './store.ts';

/** What `Engine` and `EngineView` have in common. */
export interface KeyEngine {
  /** The service, where it can be seen. */
  readonly checked?: { readonly names: Readonly<Record<string, number>> };
  register(id: Uint8Array, options: KeyRegisterOptions): Registered | Promise<Registered>;
  request(
    id: Uint8Array,
    session: number,
    request: number,
    operation: string,
    body: unknown,
  ): Reply | Promise<Reply>;
  call(id: Uint8Array, operation: string, body?: unknown): Reply | Promise<Reply>;
  close(id: Uint8Array, session: number): void | Promise<void>;
}

export class EngineKeyStore implements KeyStore {
  readonly #engine: KeyEngine;

  constructor(engine: KeyEngine) {
    this.#engine = engine;
    if (engine.checked !== undefined) requireOperations(Object.keys(engine.checked.names));
  }

  async register(id: Uint8Array, options: KeyRegisterOptions): Promise<KeyRegistered> {
    return await this.#engine.register(id, options);
  }

  async call(id: Uint8Array, operation: string, body?: unknown): Promise<unknown> {
    return bodyOf(await this.#engine.call(id, operation, body));
  }

  async request(
    id: Uint8Array,
    session: number,
    request: number,
    operation: string,
    body: unknown,
  ): Promise<unknown> {
    return bodyOf(await this.#engine.request(id, session, request, operation, body));
  }

  async close(id: Uint8Array, session: number): Promise<void> {
    await this.#engine.close(id, session);
  }
}

function bodyOf(reply: Reply): unknown {
  if (reply.status === 'ok') return reply.body;
  throw new ReplyStatusError(reply.status, reply.body);
}
