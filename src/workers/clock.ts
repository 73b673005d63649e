/**
 * The engine's clock: milliseconds that every thread of the process agrees on, read once per poll.
 *
 * `performance.now()` counts from each thread's own start, so it is brought to the process's
 * monotonic time. Between two reads, `tick` moves time on by 15 ns for each message: two commits
 * of one thread never carry the same time, which is what makes the oldest session over all shards
 * well defined. A request costs more than a tick, so the sum never runs ahead of real time.
 */
const TICK_MS = 2 ** -16;

export class Clock {
  /** The current time; tables hold on to this cell. */
  readonly cell = new Float64Array(1);
  readonly #offset: number;

  constructor() {
    this.#offset = measureOffset();
    this.read();
  }

  read(): void {
    const now = performance.now() + this.#offset;
    const next = this.cell[0] + TICK_MS;
    this.cell[0] = now > next ? now : next;
  }

  tick(): void {
    this.cell[0] += TICK_MS;
  }
}

/** A thread may be interrupted between two readings; the tightest of several pairs is taken. */
const READINGS = 16;

/** The process's monotonic time less this thread's `performance.now()`, in milliseconds. */
function measureOffset(): number {
  let offset = 0;
  let tightest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < READINGS; i++) {
    const before = performance.now();
    const [seconds, nanoseconds] = process.hrtime();
    const gap = performance.now() - before;
    if (gap < 0 || gap >= tightest) continue;
    tightest = gap;
    offset = seconds * 1e3 + nanoseconds / 1e6 - before - gap / 2;
  }
  return offset;
}
