/**
 * Contenders take turns, cycle by cycle. One whose cycle fails is out from then on, by name.
 */
import { arePaired, type Rounds } from '../lib/stats.ts';
import { ourRow, peerRow, type Skipped, type SummaryRow } from '../lib/summary.ts';
import { type Contender, type Cycle, SESSIONS, type StoreWork, WORKS } from './store.ts';

export interface Contest {
  /** By name, one entry a round: null where it failed. */
  readonly figures: ReadonlyMap<string, readonly (Cycle | null)[]>;
  readonly skipped: readonly Skipped[];
}

export async function contest(contenders: readonly Contender[], rounds: number): Promise<Contest> {
  const figures = new Map<string, (Cycle | null)[]>(contenders.map(({ name }) => [name, []]));
  const skipped: Skipped[] = [];
  const out = new Set<string>();
  const first = -Math.max(...contenders.map(({ warmUpCycles }) => warmUpCycles));
  for (let round = first; round < rounds; round++) {
    for (const { name, warmUpCycles, cycle } of contenders) {
      if (round < -warmUpCycles) continue;
      let one: Cycle | null = null;
      try {
        if (!out.has(name)) one = await cycle();
      } catch (error) {
        out.add(name);
        skipped.push({ what: name, why: error instanceof Error ? error.message : String(error) });
      }
      if (round >= 0) figures.get(name)!.push(one);
    }
  }
  return { figures, skipped };
}

/** The rounds of one work. */
export function roundsOf({ figures }: Contest, name: string, work: StoreWork): Rounds {
  return figures.get(name)!.map((one) => one?.[work] ?? null);
}

/** Rows for the first contender, which is ours, and for each peer that did the work. */
export function summaryOf(
  result: Contest,
  budgetOf: (name: string, work: StoreWork) => string | undefined,
): SummaryRow[] {
  const [ours, ...peers] = result.figures.keys();
  return WORKS.flatMap((work) => {
    const what = `${work}, ${SESSIONS.toLocaleString('en')} sessions`;
    const mine = roundsOf(result, ours, work);
    const basis = { what, unit: 'ns', values: mine, better: 'less' } as const;
    const rows = peers.flatMap((name) => {
      const values = roundsOf(result, name, work);
      return arePaired(mine, values) ? [peerRow(basis, name, values, budgetOf(name, work))] : [];
    });
    return [ourRow(what, 'ns', mine), ...rows];
  });
}
