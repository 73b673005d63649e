/**
 * What piscina runs in each worker thread: loads the service and runs the loop of one shard.
 */
import { loadService } from '../services/load.ts';
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
  const checked = await loadService(task.memory.config.serviceUrl);
  const loop = new ShardLoop(task.memory, task.shard, task.runner, checked);
  try {
    if (task.takesOver) await loop.takeOver();
    await loop.run();
  } catch (error) {
    await loop.abandon();
    throw error;
  }
}
