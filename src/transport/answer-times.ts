/**
 * How long the requests and calls of one connection took, from the chunk that brought the frame to
 * the answer's way out. Answers to the chunk at hand are counted in one step when they leave;
 * others, from a shard's worker or after the journal, one by one as they come. No clock is read
 * for it: the front end's last reading is at most `CLOCK_MESSAGES_MAX` messages old.
 */
import { Kind } from '../core/message.ts';
import type { FrontEndMeter } from '../workers/front-end-meter.ts';

export class AnswerTimes {
  readonly #meter: FrontEndMeter;
  /** When the chunk at hand was read: what its messages carry. */
  arrivedUs = 0;
  /** Answers to it that have not left. */
  #waiting = 0;

  constructor(meter: FrontEndMeter) {
    this.#meter = meter;
  }

  /** Another chunk is at hand; the clock was read for it. */
  arrived(bytes: number): void {
    this.sent();
    this.#meter.bytesIn += bytes;
    this.arrivedUs = this.#meter.nowUs;
  }

  /** @param of the kind of message that was answered */
  answered(of: Kind | 0, arrivedUs: number): void {
    if (of !== Kind.REQUEST && of !== Kind.CALL) return;
    if (arrivedUs === this.arrivedUs) this.#waiting += 1;
    // Without a time: what somebody else began, or what a worker that died left behind.
    else if (arrivedUs !== 0) this.#took(arrivedUs, 1);
  }

  /** What was answered is on its way out. */
  sent(): void {
    if (this.#waiting > 0) this.#took(this.arrivedUs, this.#waiting);
    this.#waiting = 0;
  }

  #took(arrivedUs: number, times: number): void {
    this.#meter.durations.add((this.#meter.nowUs - arrivedUs) >>> 0, times);
  }
}
