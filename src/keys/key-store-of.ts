/** The store of keys over whatever engine there is. */
import { ConnectionKeyStore, type KeyConnection } from './connection-store.ts';
import { EngineKeyStore, type KeyEngine } from './engine-store.ts';
import type { KeyStore } from './store.ts';

/** Callers of one connection must share its sessions, so they share its store. */
const stores = new WeakMap<KeyConnection, KeyStore>();

/**
 * Keeps keys in the sessions of a connected server, or of an embedded engine or a view of one.
 * Throws `SessileError` `keys_unsupported` when the service has not the operations that keys need;
 * the built-in one has.
 */
export function keyStoreOf(target: KeyConnection | KeyEngine): KeyStore {
  if (!('welcome' in target)) return new EngineKeyStore(target);
  const store = stores.get(target) ?? new ConnectionKeyStore(target);
  stores.set(target, store);
  return store;
}
