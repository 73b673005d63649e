/**
 * What stands in for piscina: a thread of the world for each shard, which runs the real loop. A
 * thread can be killed between two of its steps, or stops at a point within one; then nothing more
 * of it runs, and the pool is told, as piscina tells of a worker that has gone.
 */
import type { ShardTask } from '../../src/workers/shard-task.ts';
import { currentMachine } from './current.ts';
import type { Thread } from './scheduler.ts';

/** Thrown where a thread stops in the middle of what it does. */
export class Death extends Error {}

export interface SimulatedWorker {
  readonly shard: number;
  readonly thread: Thread;
  /** Ends the thread; `why` is what the pool learns. */
  die(why: Error): void;
}

export class SimulatedPool {
  readonly threads: never[] = [];

  on(): void {}

  /** Runs one shard's loop. Rejects when its thread is gone. */
  run(task: ShardTask): Promise<void> {
    const machine = currentMachine();
    const { scheduler } = machine;
    const frontEnd = scheduler.current;
    const thread = machine.thread(`worker ${task.shard}`);
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        machine.workers.delete(worker);
        scheduler.kill(thread);
        machine.finishDisk(thread);
        scheduler.turn(settle, frontEnd);
      };
      const worker: SimulatedWorker = {
        shard: task.shard,
        thread,
        die: (why) => end(() => reject(why)),
      };
      machine.workers.add(worker);
      const run = async (): Promise<void> => {
        try {
          await machine.runShard(task);
          if (!thread.isDead) end(resolve);
        } catch (error) {
          if (!thread.isDead) worker.die(error as Error);
        }
      };
      scheduler.turn(() => void run(), thread);
    });
  }

  async destroy(): Promise<void> {
    for (const { thread } of currentMachine().workers) currentMachine().scheduler.kill(thread);
    currentMachine().workers.clear();
  }
}
