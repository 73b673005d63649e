/**
 * Time and threads of a simulated world. Everything that would happen by itself in the real one (a
 * timer, a turn of an event loop, bytes that arrive, a sync that ends) is a task with the time at
 * which it is due and the thread that it belongs to. One task at a time runs, the earliest first,
 * and with it whatever promises it resolves.
 *
 * Two things make the order of tasks differ from seed to seed: each waits a random while, and a
 * thread may be kept from running, as a busy machine does.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Random } from './random.ts';
import { realImmediate } from './real.ts';

/** What one event loop is in the real world. Its tasks end with it. */
export class Thread {
  isDead = false;
  /** Nothing of it runs before this. */
  pausedUntilMs = 0;
  /** Turns of one event loop keep their order. */
  lastTurnMs = 0;

  constructor(readonly name: string) {}
}

export class Task {
  isCancelled = false;
  /** Resolves no promise: it may run in the middle of what another thread does. */
  isPlain = false;

  constructor(
    public dueMs: number,
    readonly order: number,
    readonly thread: Thread,
    readonly run: () => void,
  ) {}
}

/**
 * A turn of an event loop takes some ten microseconds, and now and then much longer. Shorter ones
 * would spend most steps of a world on loops that look and find nothing.
 */
const TURN_MS = 0.03;
const LATE_TURN_MS = 0.5;

/** A turn of a front end is over after so many steps of the world. */
const TURN_STEPS = 300;

/** A second core may be ahead by so much. */
const INTERRUPT_MS = 1;

/** The time on the world's clock at its beginning: what a machine might show that has been up. */
const START_MS = 100_000;
const WALL_START_MS = Date.UTC(2026, 0, 1);

/** Whatever a task leaves to promises and ticks belongs to its thread, whoever is at work then. */
const threads = new AsyncLocalStorage<Thread>();

export class Scheduler {
  nowMs = START_MS;
  /** What the time of day is ahead of the clock. */
  wallOffsetMs = WALL_START_MS - START_MS;
  steps = 0;
  readonly world = new Thread('world');
  /** A task has thrown. True if that is the end of its thread, and as it should be. */
  onUncaught: (error: unknown, thread: Thread) => boolean = () => false;
  readonly #random: Random;
  readonly #heap: Task[] = [];
  #order = 0;
  #isInterrupted = false;
  /** The thread of the step at hand. */
  #running: Thread;
  #jump = { ms: 0, step: 0 };

  constructor(random: Random) {
    this.#random = random;
    this.#running = this.world;
  }

  /** The thread at work. */
  get current(): Thread {
    return threads.getStore() ?? this.#running;
  }

  /** Does something on a thread. */
  on<T>(thread: Thread, run: () => T): T {
    return threads.run(thread, run);
  }

  get wallMs(): number {
    return Math.floor(this.nowMs + this.wallOffsetMs);
  }

  /** Has `run` happen on a thread once so much time has passed. */
  after(delayMs: number, run: () => void, thread = this.current): Task {
    this.#order += 1;
    const task = new Task(this.nowMs + Math.max(0, delayMs), this.#order, thread, run);
    this.#push(task);
    return task;
  }

  /** The next turn of a thread's event loop. Turns of one thread come in order. */
  turn(run: () => void, thread = this.current): Task {
    const random = this.#random;
    const tookMs = TURN_MS * (0.5 + random.unit());
    const lateMs = random.chance(0.02) ? LATE_TURN_MS * random.unit() : 0;
    const dueMs = Math.max(this.nowMs + tookMs + lateMs, thread.lastTurnMs);
    thread.lastTurnMs = dueMs;
    return this.after(dueMs - this.nowMs, run, thread);
  }

  /** The clock goes on as after a machine was asleep. */
  jump(ms: number): void {
    this.nowMs += ms;
    this.#jump = { ms: this.recentJumpMs + ms, step: this.steps };
  }

  /** How much of the time since their last reading a turn that is not over yet may have slept. */
  get recentJumpMs(): number {
    return this.steps - this.#jump.step < TURN_STEPS ? this.#jump.ms : 0;
  }

  /** Runs the earliest task. False if there is none. */
  async step(): Promise<boolean> {
    const task = this.#next();
    if (task === undefined) return false;
    this.steps += 1;
    this.nowMs = Math.max(this.nowMs, task.dueMs);
    this.#running = task.thread;
    if (!task.thread.isDead) this.on(task.thread, () => this.#run(task));
    await this.settle();
    this.#running = this.world;
    return true;
  }

  #run(task: Task): void {
    try {
      task.run();
    } catch (error) {
      if (!this.onUncaught(error, task.thread)) throw error;
    }
  }

  /** Lets all promises that can go on do so. */
  settle(): Promise<void> {
    // A real turn of the event loop: every microtask and `nextTick` has run when it comes.
    return new Promise((resolve) => {
      realImmediate(resolve);
    });
  }

  /**
   * Runs the next task of another of these threads now, in the middle of the one at work, as a
   * second core would. Only tasks that resolve no promises, for those go on at the end of a step.
   */
  interrupt(threads: readonly Thread[]): boolean {
    if (this.#isInterrupted) return false;
    const { current } = this;
    let next: Task | undefined;
    for (const task of this.#heap) {
      const { thread, isCancelled } = task;
      if (isCancelled || thread.isDead || thread === current || !threads.includes(thread)) continue;
      if (next === undefined || isBefore(task, next)) next = task;
    }
    const isSoon = next !== undefined && next.dueMs <= this.nowMs + INTERRUPT_MS;
    if (next === undefined || !isSoon || !next.isPlain) return false;
    if (next.thread.pausedUntilMs > this.nowMs) return false;
    next.isCancelled = true;
    this.#isInterrupted = true;
    this.on(next.thread, next.run);
    this.#isInterrupted = false;
    return true;
  }

  /** Forgets all tasks of a thread that is no more. */
  kill(thread: Thread): void {
    thread.isDead = true;
  }

  #next(): Task | undefined {
    for (;;) {
      const task = this.#pop();
      if (task === undefined) return undefined;
      if (task.isCancelled || task.thread.isDead) continue;
      const { pausedUntilMs } = task.thread;
      if (task.dueMs >= pausedUntilMs) return task;
      task.dueMs = pausedUntilMs;
      this.#push(task);
    }
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let at = heap.push(task) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent], task)) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = task;
  }

  #pop(): Task | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1;
      if (isBefore(last, heap[child])) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
