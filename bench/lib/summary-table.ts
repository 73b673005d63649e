/**
 * bench/results/summary.md: whether each budget holds, then all figures in one table, with a row
 * for everything that is missing.
 */
import { BUDGETS, type Budget } from './budgets.ts';
import type { PartResults } from './part-results.ts';
import { markdownTable } from './report.ts';
import type { SummaryRow } from './summary.ts';

export interface Run {
  readonly machine: string;
  readonly date: string;
  readonly isQuick: boolean;
  readonly minutes: number;
  readonly parts: readonly PartResults[];
}

const FIGURES_HEADER = [
  'part: work',
  'who',
  'median',
  'min–max',
  'unit',
  'rounds',
  'sessile is',
  'budget',
  'holds',
];
const BUDGETS_HEADER = ['budget', 'at least / at most', 'measured', 'holds'];

export function summaryText(run: Run): string {
  const versions = Object.assign({}, ...run.parts.map((part) => part.versions)) as object;
  const used = Object.entries(versions).map((pair) => pair.join(' '));
  const lines = [
    '# Benchmarks',
    '',
    `${run.date}; ${run.machine}`,
    '',
    [...used, `${run.minutes.toFixed(1)} minutes`].join(', '),
  ];
  if (run.isQuick)
    lines.push('', 'A quick run: it shows that all works, and no figure to rely on.');
  const budgets = budgetRows(run.parts);
  if (budgets.length > 0) lines.push('', markdownTable(BUDGETS_HEADER, budgets));
  const figures = markdownTable(FIGURES_HEADER, run.parts.flatMap(figureRows));
  return [...lines, '', figures, ''].join('\n');
}

/** The rows of all budgets whose part was asked for. */
function budgetRows(parts: readonly PartResults[]): string[][] {
  return Object.entries(BUDGETS).flatMap(([name, budget]) => {
    const part = parts.find((one) => one.name === budget.part);
    if (part === undefined) return [];
    const row = part.rows.find((one) => one.budget === name);
    const limit = limitText(budget);
    if (row === undefined) return [[budget.what, limit, missing(part), '–']];
    const value = budget.of === 'ratio' ? row.ratio : row.figure;
    return [[budget.what, limit, `${numberText(value!)} ${budget.unit}`, verdict(row)]];
  });
}

function missing(part: PartResults): string {
  return `not measured${part.failure === undefined ? '' : `: ${oneLine(part.failure)}`}`;
}

function figureRows(part: PartResults): string[][] {
  const rows = part.rows.map((row) => cellsOf(part.name, row));
  const gone = part.skipped.map(({ what, why }) => [
    `${part.name}: ${oneLine(what)}`,
    `left out: ${oneLine(why)}`,
  ]);
  const failed = part.failure === undefined ? [] : [[part.name, `none: ${oneLine(part.failure)}`]];
  return [...rows, ...gone, ...failed].map((cells) => padded(cells));
}

function cellsOf(part: string, row: SummaryRow): string[] {
  const range = row.rounds === 1 ? '' : `${numberText(row.min)}–${numberText(row.max)}`;
  const ratio = row.ratio === undefined ? '' : `${numberText(row.ratio)}×`;
  const budget = row.budget === undefined ? undefined : BUDGETS[row.budget];
  return [
    `${part}: ${oneLine(row.what)}`,
    row.peer ?? 'sessile',
    numberText(row.figure),
    range,
    row.unit,
    String(row.rounds),
    ratio,
    budget === undefined ? (row.budget ?? '') : limitText(budget),
    verdict(row),
  ];
}

function padded(cells: readonly string[]): string[] {
  return FIGURES_HEADER.map((_, column) => cells[column] ?? '');
}

function verdict(row: SummaryRow): string {
  if (row.holds === undefined) return '';
  return row.holds ? 'yes' : '**no**';
}

function limitText({ atLeast, atMost, unit }: Budget): string {
  const [sign, value] = atLeast === undefined ? ['≤', atMost!] : ['≥', atLeast];
  return `${sign} ${numberText(value)} ${unit}`;
}

/** Three digits that count, or whole numbers. */
export function numberText(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) {
    return Math.round(value).toLocaleString('en');
  }
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

/** Whatever an error said must not break the table. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').trim();
}
