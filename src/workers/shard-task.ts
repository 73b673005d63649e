/**
 * What piscina runs in each worker thread: loads the service and runs the loop of one shard.
 */
import { parentPort } from 'node:worker_threads';
import { loadService } from '../services/load.ts';
import { HookFailures } from './hook-failures.ts';
import { ShardLoop } from './shard-loop.ts';
import type { ShardMemory } from './shard-memory.ts';

export interface ShardTask {
  readonly memory: ShardMemory;
  readonly shard: number;
  readonly runner: number;
  /** Whether a worker ran this shard before and died. */
  readonly takesOver: boolean;
}

export default async function runShard(task: ShardTask): Promise<void> {
  const loaded = await loadService(task.memory.config.serviceUrl);
  // Warnings of a worker would reach nobody's log: the pool tells them.
  const hooks = new HookFailures((message) => parentPort?.postMessage(message));
  const checked = { ...loaded, hookFailed: hooks.note };
  const { memory, shard, runner } = task;
  const loop = new ShardLoop(memory, shard, runner, checked, true);
  try {
    if (task.takesOver) await loop.takeOver();
    await loop.run();
  } catch (error) {
    await loop.abandon();
    throw error;
  }
}
