/**
 * `npm run bench:table [-- --quick]`: our session table beside what one would take otherwise, in
 * one thread, without sockets.
 */
import { parseArgs } from 'node:util';
import { installedVersion, machine, markdownTable, writeResults } from './lib/report.ts';
import { pairedRatio, type Summary, summarize } from './lib/stats.ts';
import { LruPeer } from './table/lru-peer.ts';
import { MapPeer } from './table/map-peer.ts';
import { measure } from './table/measure.ts';
import { Ours } from './table/ours.ts';
import { type Work, Workload } from './table/subject.ts';

interface Row {
  readonly work: Work;
  readonly sessions: number;
  readonly peer: string;
  readonly nanoseconds: Summary;
  /** How many times as fast as this peer ours is. */
  readonly ratio: number;
}

/** Churn comes last: it leaves other sessions live than the ones that the others use. */
const WORKS: readonly Work[] = ['touch', 'request', 'churn'];

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } },
});
const rounds = Number(values.rounds ?? (values.quick ? 3 : 5));
const seconds = values.quick ? 0.15 : 0.6;
const sizes = values.quick ? [10_000] : [10_000, 1_000_000];

const versions = {
  'lru-cache': installedVersion('lru-cache'),
  benchmark: installedVersion('benchmark'),
};
const rows = sizes.flatMap(measureSize);
print(rows);
writeResults('table', { versions, rounds, seconds, rows });

function measureSize(sessions: number): Row[] {
  const load = new Workload(sessions);
  const subjects = [new Ours(load), new LruPeer(load), new MapPeer(load)];
  return WORKS.flatMap((work) => {
    const figures = measure(subjects, work, { rounds, seconds });
    const ours = figures.get(subjects[0].name)!;
    return subjects.map(({ name }) => ({
      work,
      sessions,
      peer: name,
      nanoseconds: summarize(figures.get(name)!),
      ratio: pairedRatio(figures.get(name)!, ours),
    }));
  });
}

function print(all: readonly Row[]): void {
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  console.log(`${machine()}; ${used.join(', ')}; median of ${rounds} rounds\n`);
  const header = ['work', 'sessions', 'peer', 'ops/s', 'ns/op', 'min–max', 'sessile is'];
  const cells = all.map(({ work, sessions, peer, nanoseconds, ratio }) => [
    work,
    sessions.toLocaleString('en'),
    peer,
    Math.round(1e9 / nanoseconds.median).toLocaleString('en'),
    nanoseconds.median.toFixed(1),
    `${nanoseconds.min.toFixed(1)}–${nanoseconds.max.toFixed(1)}`,
    peer === 'sessile' ? '' : `${ratio.toFixed(2)}×`,
  ]);
  console.log(markdownTable(header, cells));
}
