const NOTES_MAX = 12;

/** What a run has counted, and what was wrong. Shared by all that takes part in it. */
export class Tally {
  kills = 0;
  /** Kills before the server had said that it listens. */
  killsWhileStarting = 0;
  gracefulStops = 0;
  starts = 0;
  acknowledged = 0;
  replays = 0;
  recoveredSessions = 0;
  evictions = 0;
  closed = 0;
  /** Registers that found no room. */
  refused = 0;
  tornEnds = 0;
  rewrites = 0;
  segmentsRemoved = 0;
  readonly violations: string[] = [];

  readonly #notes: string[] = [];

  /** Remembers what happened last, to be told with a violation. */
  note(what: string): void {
    this.#notes.push(`${Math.round(performance.now())} ms: ${what}`);
    if (this.#notes.length > NOTES_MAX) this.#notes.shift();
  }

  violated(what: string): void {
    if (this.violations.length === 0) process.stderr.write(`${this.#notes.join('\n')}\n`);
    this.violations.push(what);
    process.stderr.write(`VIOLATION: ${what}\n`);
  }

  text(): string {
    return [
      `${this.starts} starts, ${this.kills} kills (${this.killsWhileStarting} while starting)`,
      `${this.gracefulStops} graceful stops`,
      `${this.acknowledged} acknowledged requests, ${this.replays} replays compared`,
      `${this.recoveredSessions} recovered sessions, ${this.evictions} evicted`,
      `${this.refused} registers refused`,
      `${this.closed} closed, ${this.tornEnds} torn ends, ${this.rewrites} changes of shards`,
      `${this.segmentsRemoved} segments cleaned`,
      `${this.violations.length} violations`,
    ].join('\n');
  }
}
