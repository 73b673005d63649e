/**
 * The last ten minutes as columns, for the plots. Filled from the server's history, then one row a
 * second; rows that are too old fall out. A pause leaves a gap and no line that was never measured.
 */
import { HISTORY_COLUMNS, type HistoryColumn, type HistoryRow } from './differences.ts';
import type { History } from './status.ts';

/** What the server keeps too. */
const WINDOW_MS = 600_000;

/** A server that just started is shown from so long ago, and then more and more. */
const WINDOW_MIN_MS = 30_000;

/** Two samples a second and then some; more than the window can hold of one a second. */
const ROWS_MAX = 1_400;

/** A sample that comes later than this after the one before it leaves a gap. */
const GAP_MS = 3_500;

const GAP: HistoryRow = Object.fromEntries(
  HISTORY_COLUMNS.map((name) => [name, null]),
) as HistoryRow;

export type Column = (number | null)[];

/**
 * Takes out the zeros that have only zeros around them, so that a line which is nowhere but on the
 * axis is not drawn, and one that rises still begins there.
 */
export function withoutQuiet(column: Column): Column {
  return column.map((value, at) => {
    const isQuiet = value === 0 && !column[at - 1] && !column[at + 1];
    return isQuiet ? null : value;
  });
}

export class Series {
  #rows: HistoryRow[] = [];

  /** The time of the newest row, or 0. */
  get newestMs(): number {
    return this.#rows.at(-1)?.time_ms ?? 0;
  }

  clear(): void {
    this.#rows = [];
  }

  /** Replaces everything by the server's history. Columns that are missing there stay empty. */
  load(history: History): void {
    this.clear();
    const places = HISTORY_COLUMNS.map((name) => [name, history.columns.indexOf(name)] as const);
    for (const row of history.rows) {
      this.add(
        Object.fromEntries(
          places.map(([name, place]) => [name, place < 0 ? null : (row[place] ?? null)]),
        ) as HistoryRow,
      );
    }
  }

  /** Adds the newest row. One that is not newer than the last is left out. */
  add(row: HistoryRow): void {
    const timeMs = row.time_ms ?? 0;
    const newestMs = this.newestMs;
    if (timeMs <= newestMs) return;
    if (newestMs > 0 && timeMs - newestMs > GAP_MS) {
      this.#rows.push({ ...GAP, time_ms: newestMs + 1 });
    }
    this.#rows.push(row);
    const oldest = this.#rows.findIndex((each) => (each.time_ms ?? 0) >= timeMs - WINDOW_MS);
    const tooMany = Math.max(oldest, this.#rows.length - ROWS_MAX);
    if (tooMany > 0) this.#rows.splice(0, tooMany);
  }

  column(name: HistoryColumn): Column {
    return this.#rows.map((row) => row[name]);
  }

  /** From when to when plots show, in seconds: what there is, of at most ten minutes. */
  windowS(nowMs: number): [number, number] {
    const toMs = this.newestMs || nowMs;
    const fromMs = Math.min(this.#rows[0]?.time_ms ?? toMs, toMs - WINDOW_MIN_MS);
    return [Math.max(fromMs, toMs - WINDOW_MS) / 1e3, toMs / 1e3];
  }

  /** Times in seconds, as plots want them. */
  timesS(): number[] {
    return this.#rows.map((row) => (row.time_ms ?? 0) / 1e3);
  }
}
