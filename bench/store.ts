/**
 * `npm run bench:store`: sessions as data in one process, beside `lru-cache` with a TTL and, where
 * Erlang is installed, its stores. See bench/README.md.
 */
import { parseArgs } from 'node:util';
import { finish, whole } from './lib/arguments.ts';
import { BUDGETS } from './lib/budgets.ts';
import { installedVersion, machine, markdownTable, writeResults } from './lib/report.ts';
import type { Skipped, SummaryRow } from './lib/summary.ts';
import { stopAll } from './load/children.ts';
import { contest, summaryOf } from './store/contest.ts';
import { erlangVersion, startErlang } from './store/erlang.ts';
import { LruStore } from './store/lru-store.ts';
import { OurStore } from './store/ours.ts';
import { type Contender, cycle, SESSIONS, type StoreWork, WORKS } from './store/store.ts';
import { makeKeys } from './table/keys.ts';

const WARM_UP_CYCLES = 10;
const QUICK_WARM_UP_CYCLES = 2;

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } },
});

await finish('bench:store', main, stopAll);

async function main(): Promise<void> {
  const rounds = whole('rounds', values.rounds ?? (values.quick ? '2' : '11'));
  const keys = makeKeys(SESSIONS);
  const order = shuffled(SESSIONS);
  const warmUpCycles = values.quick ? QUICK_WARM_UP_CYCLES : WARM_UP_CYCLES;
  const contenders: Contender[] = [new OurStore(keys, order), new LruStore(keys, order)].map(
    (store) => ({ name: store.name, warmUpCycles, cycle: () => cycle(store) }),
  );
  const versions: Record<string, string> = { 'lru-cache': installedVersion('lru-cache') };
  const missing: Skipped[] = [];
  const erlang = startErlang();
  if (erlang === undefined) {
    missing.push({ what: 'ETS, DETS and Mnesia', why: 'Erlang is not installed' });
  } else {
    contenders.push(...erlang);
    versions['Erlang/OTP'] = erlangVersion();
  }
  const result = await contest(contenders, rounds);
  const summary = summaryOf(result, budgetOf);
  const skipped = [...missing, ...result.skipped];
  const used = Object.entries(versions).map((pair) => pair.join(' '));
  const how = `${SESSIONS} sessions, median of ${rounds} rounds`;
  console.log(`${machine()}; ${used.join(', ')}; ${how}\n`);
  for (const { what, why } of skipped) console.log(`skipped: ${what}: ${why}\n`);
  print(
    contenders.map(({ name }) => name),
    summary,
  );
  writeResults('store', { versions, skipped, sessions: SESSIONS, rounds, summary });
}

function budgetOf(name: string, work: StoreWork): string | undefined {
  const budget = `ets-${work}`;
  return name === 'ETS' && budget in BUDGETS ? budget : undefined;
}

/** A line for each store: its nanoseconds, and how many times as fast ours is. */
function print(names: readonly string[], rows: readonly SummaryRow[]): void {
  const header = ['ns a session (sessile is)', ...WORKS];
  const lines = names.map((name, i) => {
    const cells = WORKS.map((work) => {
      const isIt = (row: SummaryRow): boolean =>
        row.what.startsWith(`${work},`) && row.peer === (i === 0 ? undefined : name);
      const row = rows.find(isIt);
      if (row === undefined) return '–';
      const ratio = row.ratio === undefined ? '' : ` (${row.ratio.toFixed(2)}×)`;
      return `${row.figure.toFixed(0)}${ratio}`;
    });
    return [name, ...cells];
  });
  console.log(markdownTable(header, lines));
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
