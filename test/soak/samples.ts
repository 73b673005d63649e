/**
 * What is sampled of a server process: from outside what the system says of it, from inside what it
 * says itself, and from its own counts how many requests that was for.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Drift, driftOf, type Limit, SAMPLES_MIN } from './drift.ts';

/** The same as in the wrapper. */
const DELAY_RESOLUTION_MS = 10;
const MIB = 1024 * 1024;

/** How late this process is, which does next to nothing: what the machine makes of everybody. */
const own = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
own.enable();

/** What the wrapper of the server answers. */
interface Inside {
  readonly heapBytes: number;
  readonly externalBytes: number;
  readonly delayMs: number;
  readonly collections: number;
  readonly sockets: number;
  readonly accepted: number;
}

export interface Sample {
  readonly ms: number;
  readonly accepted: number;
  readonly figures: Readonly<Record<FigureName, number>>;
}

/**
 * Each figure, its unit, and how far it may rise over half a life. The least amounts are above what
 * the figures did in lives in which nothing was wrong, of half a minute to minutes.
 */
const FIGURES = {
  rss: { unit: 'MiB', part: 0.08, least: 12 },
  heap: { unit: 'MiB', part: 0.05, least: 0.9 },
  external: { unit: 'MiB', part: 0.2, least: 3 },
  files: { unit: '', part: 0.1, least: 4 },
  sockets: { unit: '', part: 0.5, least: 24 },
  threads: { unit: '', part: 0, least: 2 },
  delay: { unit: 'ms', part: 0.5, least: 10 },
  collections: { unit: 'per 1000 requests', part: 0.5, least: 1 },
} as const satisfies Record<string, Limit & { readonly unit: string }>;

type FigureName = keyof typeof FIGURES;
const NAMES = Object.keys(FIGURES) as FigureName[];

/** Samples of one life of the server. */
export class Life {
  readonly samples: Sample[] = [];
  readonly #child: ChildProcess;
  readonly #started = performance.now();
  #collections = 0;
  #requests = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @param requests that this life has executed so far */
  async sample(requests: number): Promise<void> {
    const answer = once(this.#child, 'message');
    this.#child.send('sample');
    const [inside] = (await answer) as [Inside];
    const { pid } = this.#child;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
    const files = readdirSync(`/proc/${pid}/fd`).length;
    const thousands = Math.max(1, requests - this.#requests) / 1_000;
    this.samples.push({
      ms: performance.now() - this.#started,
      accepted: inside.accepted,
      figures: {
        rss: field('VmRSS') / 1_024,
        heap: inside.heapBytes / MIB,
        external: inside.externalBytes / MIB,
        // Those that connect and leave would hide an open file among their sockets.
        files: files - inside.sockets,
        sockets: inside.sockets,
        threads: field('Threads'),
        delay: Math.max(0, inside.delayMs - own.mean / 1e6),
        collections: (inside.collections - this.#collections) / thousands,
      },
    });
    own.reset();
    this.#collections = inside.collections;
    this.#requests = requests;
  }

  get connections(): number {
    return this.samples.at(-1)?.accepted ?? 0;
  }

  /** Whether it was long enough to be judged. */
  get isJudged(): boolean {
    return this.samples.length >= 2 * SAMPLES_MIN;
  }

  drifts(): Map<FigureName, Drift> {
    const drifts = new Map<FigureName, Drift>();
    for (const name of NAMES) {
      const points = this.samples.map(({ ms, figures }) => ({ ms, value: figures[name] }));
      drifts.set(name, driftOf(points, FIGURES[name]));
    }
    return drifts;
  }

  /** What drifts, in words. */
  problems(): string[] {
    const problems: string[] = [];
    for (const [name, drift] of this.drifts()) {
      if (!drift.isDrift) continue;
      const { unit } = FIGURES[name];
      const rise = `${drift.rise.toFixed(2)} ${unit}, allowed ${drift.allowed.toFixed(2)}`;
      problems.push(`${name} drifts: it rose by ${rise}, tau ${drift.tau.toFixed(2)}`);
    }
    return problems;
  }

  table(): string {
    const lines = [['figure', 'quarter 3', 'quarter 4', 'rise', 'allowed', 'tau', '']];
    for (const [name, drift] of this.drifts()) {
      const numbers = [drift.before, drift.after, drift.rise, drift.allowed, drift.tau];
      const cells = numbers.map((number) => number.toFixed(2));
      lines.push([name, ...cells, drift.isDrift ? 'DRIFTS' : FIGURES[name].unit]);
    }
    return lines
      .map(([name, ...cells]) => {
        const last = cells.pop();
        return `  ${name.padEnd(12)}${cells.map((cell) => cell.padStart(11)).join('')}  ${last}`;
      })
      .join('\n');
  }
}
