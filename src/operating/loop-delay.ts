/**
 * How late the event loop is: how much longer than asked for a timer took, as Node measures it
 * outside of JavaScript. What a timer takes anyway is subtracted.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FrontEndMeter, LoopDelay } from '../workers/front-end-meter.ts';
import { LOOP_RESOLUTION_MS } from './limits.ts';

export class LoopDelayMonitor {
  readonly #histogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });

  constructor(meter: FrontEndMeter) {
    meter.loopDelay = () => this.#read();
    this.#histogram.enable();
  }

  #read(): LoopDelay {
    const histogram = this.#histogram;
    return {
      p50Us: lateUs(histogram.percentile(50)),
      p99Us: lateUs(histogram.percentile(99)),
      maxUs: lateUs(histogram.max),
    };
  }

  stop(): void {
    this.#histogram.disable();
  }
}

function lateUs(nanoseconds: number): number {
  return Math.max(0, Math.round(nanoseconds / 1e3 - LOOP_RESOLUTION_MS * 1e3));
}
