/**
 * What is compared: stores that threads share, and how the threads use them.
 */
import { Engine } from '../../dist/index.js';
import { Fleet, startStore } from './fleet.ts';
import type { Layout } from './job.ts';

/** More than cores, and few enough that their workers, which mostly sleep, cost nothing. */
const SHARDS_MANY = 8;

/** Enough to hide the hop, few enough to be somebody's real window. */
const PIPELINE = 64;

export interface Subject {
  readonly name: string;
  readonly isOurs: boolean;
  readonly fleet: Fleet;
  readonly layout: Layout;
  readonly inFlight: number;
}

export interface Stage {
  readonly subjects: readonly Subject[];
  stop(): Promise<void>;
}

/** Starts all stores, each with as many threads as are used at most. */
export async function startStage(threads: number): Promise<Stage> {
  const one = await Engine.start({ shards: 1 });
  const many = await Engine.start({ shards: SHARDS_MANY });
  const asked = startStore(threads, false);
  const waited = startStore(threads, true);
  const fleets = {
    one: await Fleet.start(tickets(one, threads)),
    many: await Fleet.start(tickets(many, threads)),
    asked: await Fleet.start(asked.ways),
    waited: await Fleet.start(waited.ways),
  };
  const ours = { isOurs: true, inFlight: 1 };
  const map = { isOurs: false, layout: 'together' } as const;
  return {
    subjects: [
      { ...ours, name: 'sessile, 1 shard', fleet: fleets.one, layout: 'together' },
      { ...ours, name: `sessile, ${SHARDS_MANY} shards`, fleet: fleets.many, layout: 'together' },
      { ...ours, name: 'sessile, shards apart', fleet: fleets.many, layout: 'apart' },
      { ...map, name: 'Map, Atomics.wait', fleet: fleets.waited, inFlight: 1 },
      { ...map, name: 'Map, postMessage', fleet: fleets.asked, inFlight: 1 },
      { ...map, name: `Map, postMessage × ${PIPELINE}`, fleet: fleets.asked, inFlight: PIPELINE },
    ],
    async stop() {
      for (const fleet of Object.values(fleets)) await fleet.stop();
      await asked.store.terminate();
      await waited.store.terminate();
      await one.stop();
      await many.stop();
    },
  };
}

function tickets(
  engine: Engine,
  threads: number,
): { kind: 'view'; ticket: ReturnType<Engine['share']> }[] {
  return Array.from({ length: threads }, () => ({ kind: 'view', ticket: engine.share() }));
}
