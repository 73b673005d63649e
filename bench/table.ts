/**
 * `npm run bench:table [-- --quick]`: our session table beside what one would take otherwise, in
 * one thread, without sockets.
 */
import { parseArgs } from 'node:util';
import { finish, whole } from './lib/arguments.ts';
import { BUDGETS } from './lib/budgets.ts';
import { installedVersion, machine, markdownTable, writeResults } from './lib/report.ts';
import { ourRow, peerRow, type SummaryRow } from './lib/summary.ts';
import { LruPeer } from './table/lru-peer.ts';
import { MapPeer } from './table/map-peer.ts';
import { measure } from './table/measure.ts';
import { MnemonistPeer } from './table/mnemonist-peer.ts';
import { Ours } from './table/ours.ts';
import { type Work, Workload } from './table/subject.ts';

/** Churn comes last: it leaves other sessions live than the ones that the others use. */
const WORKS: readonly Work[] = ['touch', 'request', 'churn'];

const SIZES = { '10k': 10_000, '1m': 1_000_000 } as const;
type Size = keyof typeof SIZES;

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } },
});

await finish('bench:table', main, async () => {});

async function main(): Promise<void> {
  const rounds = whole('rounds', values.rounds ?? (values.quick ? '2' : '5'));
  const seconds = values.quick ? 0.1 : 0.4;
  const sizes: Size[] = values.quick ? ['10k'] : ['10k', '1m'];
  const versions = {
    'lru-cache': installedVersion('lru-cache'),
    mnemonist: installedVersion('mnemonist'),
    benchmark: installedVersion('benchmark'),
  };
  const summary = sizes.flatMap((size) => measureSize(size, rounds, seconds));
  print(summary, versions, rounds);
  writeResults('table', { versions, rounds, seconds, summary });
}

function measureSize(size: Size, rounds: number, seconds: number): SummaryRow[] {
  const load = new Workload(SIZES[size]);
  const ours = new Ours(load);
  const peers = [new LruPeer(load), new MnemonistPeer(load), new MapPeer(load)];
  return WORKS.flatMap((work) => {
    const figures = measure([ours, ...peers], work, { rounds, seconds });
    const what = `${work}, ${SIZES[size].toLocaleString('en')} sessions`;
    const mine = figures.get(ours.name)!;
    const basis = { what, unit: 'ns', values: mine, better: 'less' } as const;
    const rows = peers.map(({ name }) => {
      const budget = name === 'lru-cache' ? `${work}-${size}` : '';
      return peerRow(basis, name, figures.get(name)!, budget in BUDGETS ? budget : undefined);
    });
    return [ourRow(what, 'ns', mine), ...rows];
  });
}

function print(rows: readonly SummaryRow[], versions: object, rounds: number): void {
  const used = Object.entries(versions).map((pair) => pair.join(' '));
  console.log(`${machine()}; ${used.join(', ')}; median of ${rounds} rounds\n`);
  const header = ['work', 'peer', 'ops/s', 'ns/op', 'min–max', 'sessile is'];
  const cells = rows.map(({ what, peer, figure, min, max, ratio }) => [
    what,
    peer ?? 'sessile',
    Math.round(1e9 / figure).toLocaleString('en'),
    figure.toFixed(1),
    `${min.toFixed(1)}–${max.toFixed(1)}`,
    ratio === undefined ? '' : `${ratio.toFixed(2)}×`,
  ]);
  console.log(markdownTable(header, cells));
}
