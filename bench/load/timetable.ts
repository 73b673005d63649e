/**
 * When each request of an open loop is due: at a fixed rate from a start, whatever the server does,
 * the connections in turn. A server that stalls is asked all the same, and the wait counts.
 */
export class Timetable {
  readonly #startMs: number;
  readonly #perMs: number;
  readonly #connections: number;

  constructor(startMs: number, requestsPerSecond: number, connections: number) {
    this.#startMs = startMs;
    this.#perMs = requestsPerSecond / 1e3;
    this.#connections = connections;
  }

  /** When a connection's n-th request is due, counted from 0. */
  dueAt(connection: number, n: number): number {
    return this.#startMs + (n * this.#connections + connection) / this.#perMs;
  }

  /** How many requests of a connection are due by now. */
  dueBy(connection: number, nowMs: number): number {
    const all = Math.floor((nowMs - this.#startMs) * this.#perMs);
    return Math.max(0, Math.floor((all - connection) / this.#connections) + 1);
  }
}
