/**
 * Attaching from another worker thread of the process: a synchronous view of the same shards.
 */

import { loadService } from '../services/load.ts';
import { checkService, type Service } from '../services/service.ts';
import type { EngineTicket } from './types.ts';
import { EngineView } from './view.ts';

/**
 * A view from the ticket that `engine.share()` gave and that was posted to this thread. `service`
 * is needed only if the engine was given its service as an object. The view is given back by
 * `release()`, or by the end of the thread.
 */
export async function attach(ticket: EngineTicket, service?: Service): Promise<EngineView> {
  const { memory, runner, port } = ticket;
  const checked =
    service === undefined ? await loadService(memory.config.serviceUrl) : checkService(service);
  // The port only lives to tell the engine that this thread has ended; it keeps nothing alive.
  port.unref();
  return new EngineView(memory, checked, runner, {
    closed: () => port.close(),
    // The front ends run in other threads, which read their answers by themselves.
    relieve: () => {},
  });
}
