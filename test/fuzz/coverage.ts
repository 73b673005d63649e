/**
 * Which blocks of the code under test have run, as V8 counts them: an input that reaches a block
 * which none before it has reached is worth mutating further.
 *
 * Must be started before the modules that count are loaded.
 */
import { type Profiler, Session } from 'node:inspector';

export class Coverage {
  readonly #session = new Session();
  #sources: readonly string[] = [];
  /** Whether a script counts, by its URL. */
  readonly #counts = new Map<string, boolean>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** @param sources ends of the paths of the files that count */
  count(sources: readonly string[]): void {
    this.#sources = sources;
    this.#counts.clear();
  }

  /** The blocks that have run since the last time. Takes a millisecond or two. */
  take(): Set<string> {
    let taken: Profiler.ScriptCoverage[] = [];
    // The answer of a session within the same thread is there when the call returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error === null) taken = answer.result;
    });
    const blocks = new Set<string>();
    for (const script of taken) {
      if (this.#isCounted(script.url)) note(script, blocks);
    }
    return blocks;
  }

  #isCounted(url: string): boolean {
    let counts = this.#counts.get(url);
    if (counts === undefined) {
      counts = this.#sources.some((source) => url.split('?', 1)[0].endsWith(source));
      this.#counts.set(url, counts);
    }
    return counts;
  }
}

function note({ scriptId, functions }: Profiler.ScriptCoverage, blocks: Set<string>): void {
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges) {
      if (count > 0) blocks.add(`${scriptId} ${startOffset} ${endOffset}`);
    }
  }
}
