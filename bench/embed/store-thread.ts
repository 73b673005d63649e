/**
 * The thread of a `Map` store: answers what comes by each port, and rings the bell of those who
 * sleep until their answer is there.
 */
import { type MessagePort, parentPort } from 'node:worker_threads';
import { MapStore, type StoreRequest } from './map-store.ts';

export interface NewClient {
  readonly port: MessagePort;
  readonly bell: SharedArrayBuffer | undefined;
}

const store = new MapStore();

parentPort?.on('message', ({ port, bell }: NewClient) => {
  const words = bell === undefined ? undefined : new Int32Array(bell);
  port.on('message', (request: StoreRequest) => {
    port.postMessage(store.handle(request));
    if (words === undefined) return;
    Atomics.add(words, 0, 1);
    Atomics.notify(words, 0);
  });
});
