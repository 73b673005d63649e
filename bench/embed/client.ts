/**
 * What a thread drives: something that does requests on the thread's own sessions, in turn.
 */
import type { Job } from './job.ts';

export interface Client {
  /** Sets up the sessions that a job is about, if they are not there yet. */
  prepare(job: Job): void | Promise<void>;
  /**
   * Does some requests.
   *
   * @param times filled with the milliseconds of each, if each is timed
   */
  requests(count: number, times: Float64Array | undefined): void | Promise<void>;
}
