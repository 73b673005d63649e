/**
 * What the router of a front end is told.
 */
export type RunPolicy = 'auto' | 'worker' | 'direct';

export interface RouterOptions {
  readonly frontEnd: number;
  readonly runner: number;
  readonly run: RunPolicy;
  readonly cores: number;
  /** Without workers: the log has failed for good. */
  readonly onStorageFailure?: (error: Error) => void;
  /** Answers were delivered, or room may have come: flush connections, retry what was blocked. */
  readonly onProgress: () => void;
}
