/** What the process that counts garbage is told, and what it tells. */

export const OPERATIONS = ['echo', 'get', 'put', 'touch', 'register'] as const;

export type Operation = (typeof OPERATIONS)[number];

export interface Job {
  readonly operation: Operation;
  /** Before anything is counted: compilers are done after some hundred thousand. */
  readonly warmUp: number;
  readonly requests: number;
}

export interface Counted {
  /** The kind of each collection in the shard's thread. */
  readonly collections: readonly string[];
  /** What new objects took there, whether they were collected or not. */
  readonly bytes: number;
  /** Functions of that thread whose optimized code was thrown away while it was counted. */
  readonly deoptimized: readonly string[];
  readonly seconds: number;
}
