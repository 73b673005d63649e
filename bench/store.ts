/**
 * `npm run bench:store`: sessions as data in one process, beside `lru-cache` with a TTL and, where
 * Erlang is installed, ETS. See bench/README.md.
 */
import { parseArgs } from 'node:util';
import { installedVersion, machine, markdownTable, writeResults } from './lib/report.ts';
import { median, pairedRatio } from './lib/stats.ts';
import { erlangVersion, measureEts } from './store/ets.ts';
import { LruStore } from './store/lru-store.ts';
import { OurStore } from './store/ours.ts';
import { cycle, SESSIONS, type StoreWork, WORKS } from './store/store.ts';
import { makeKeys } from './table/keys.ts';

type Figures = Record<StoreWork, number>[];

/** Cycles before the first that counts: compilers and caches settle in them. */
const WARM_UP_CYCLES = 10;

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '21' } } });
const rounds = Number(values.rounds);

const keys = makeKeys(SESSIONS);
const order = shuffled(SESSIONS);
const stores = [new OurStore(keys, order), new LruStore(keys, order)];
const figures = new Map<string, Figures>(stores.map(({ name }) => [name, []]));
for (let round = -WARM_UP_CYCLES; round < rounds; round++) {
  for (const store of stores) {
    const one = await cycle(store);
    if (round >= 0) figures.get(store.name)!.push(one);
  }
}
const versions: Record<string, string> = { 'lru-cache': installedVersion('lru-cache') };
const ets = measureEts(rounds + WARM_UP_CYCLES)?.slice(WARM_UP_CYCLES);
if (ets === undefined) console.log('skipped: Erlang is not installed\n');
else {
  figures.set('ETS', ets);
  versions['Erlang/OTP'] = erlangVersion();
}
print();
writeResults('store', {
  versions,
  sessions: SESSIONS,
  rounds,
  figures: Object.fromEntries(figures),
});

function print(): void {
  const used = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  console.log(
    `${machine()}; ${used.join(', ')}; ${SESSIONS} sessions, median of ${rounds} rounds\n`,
  );
  const names = [...figures.keys()];
  const peers = names.slice(1);
  const header = [
    'work',
    ...names.map((name) => `${name}, ns`),
    ...peers.map((p) => `${p} / ours`),
  ];
  const rows = WORKS.map((work) => {
    const of = (name: string): number[] => figures.get(name)!.map((one) => one[work]);
    const medians = names.map((name) => median(of(name)).toFixed(0));
    const ratios = peers.map((name) => `${pairedRatio(of(name), of(names[0])).toFixed(2)}×`);
    return [work, ...medians, ...ratios];
  });
  console.log(markdownTable(header, rows));
}

/** A repeatable order, each session once. */
function shuffled(count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  let state = 0x6c078965;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
