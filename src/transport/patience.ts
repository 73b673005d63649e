/**
 * How long a connection may be silent, or leave a frame unfinished. The server looks at all of its
 * connections now and then; between two looks a connection only notes that something came.
 */

/** Looks within the shortest time limit: it is kept to a quarter more than itself. */
const LOOKS = 4;
/** Bounds of the time between two looks: neither a load of their own, nor longer than a second. */
const LOOK_MS_MIN = 10;
const LOOK_MS_MAX = 1000;

export interface PatienceLimits {
  /** Within which a frame that has begun must be whole. */
  readonly frameTimeoutMs: number;
  /** How long nothing at all may come; 0 = for ever. */
  readonly idleTimeoutMs: number;
}

/** The time between two looks that keeps these limits. */
export function lookMs({ frameTimeoutMs, idleTimeoutMs }: PatienceLimits): number {
  const shortest = idleTimeoutMs === 0 ? frameTimeoutMs : Math.min(frameTimeoutMs, idleTimeoutMs);
  return Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, Math.floor(shortest / LOOKS)));
}

/**
 * The time that counts. While this process itself stood still, what connections sent lies unread:
 * of such a time only as much counts as two looks are apart.
 */
export class PatienceClock {
  #nowMs = 0;
  #lookedMs: number;
  readonly #stepMsMax: number;

  constructor(limits: PatienceLimits, nowMs: number) {
    this.#lookedMs = nowMs;
    this.#stepMsMax = 2 * lookMs(limits);
  }

  /** A look: returns the time that counts, in milliseconds from none in particular. */
  look(nowMs: number): number {
    this.#nowMs += Math.min(this.#stepMsMax, nowMs - this.#lookedMs);
    this.#lookedMs = nowMs;
    return this.#nowMs;
  }
}

export class Patience {
  /** Set by whatever comes or goes. */
  heard = true;
  #heardMs = 0;
  #frame = 0;
  #frameMs = 0;

  /**
   * What was waited for in vain, in words; undefined if there is patience left.
   *
   * @param frame which unfinished frame is at hand; 0 = none
   * @param isOurs the server itself has stopped reading, so that nothing can come
   */
  lost(nowMs: number, limits: PatienceLimits, frame: number, isOurs: boolean): string | undefined {
    if (this.heard || isOurs) {
      this.heard = false;
      this.#heardMs = nowMs;
    }
    if (frame !== this.#frame || isOurs) {
      this.#frame = frame;
      this.#frameMs = nowMs;
    }
    const { frameTimeoutMs, idleTimeoutMs } = limits;
    if (frame !== 0 && nowMs - this.#frameMs >= frameTimeoutMs) {
      return `a frame was not whole within ${frameTimeoutMs} ms; connect again`;
    }
    if (idleTimeoutMs !== 0 && nowMs - this.#heardMs >= idleTimeoutMs) {
      return `nothing came for ${idleTimeoutMs} ms; connect again, and ping meanwhile`;
    }
    return undefined;
  }
}
