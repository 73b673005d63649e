/**
 * What a part left in its file, read with suspicion: a part that wrote something else than the
 * contract says has failed, and must not spoil the table of the others.
 */
import type { Skipped, SummaryRow } from './summary.ts';

export interface PartResults {
  readonly name: string;
  readonly seconds: number;
  /** Why there are no rows. */
  readonly failure?: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly skipped: readonly Skipped[];
  readonly rows: readonly SummaryRow[];
}

export function failedPart(name: string, seconds: number, failure: string): PartResults {
  return { name, seconds, failure, versions: {}, skipped: [], rows: [] };
}

export function partResultsOf(name: string, seconds: number, text: string): PartResults {
  try {
    const file = JSON.parse(text) as Partial<Record<string, unknown>>;
    const rows = listOf(file.summary, 'summary').map(rowOf);
    const skipped = listOf(file.skipped ?? [], 'skipped').map(skippedOf);
    return { name, seconds, versions: versionsOf(file.versions ?? {}), skipped, rows };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return failedPart(name, seconds, `bench/results/${name}.json: ${why}`);
  }
}

function rowOf(value: unknown): SummaryRow {
  const row = fieldsOf(value, 'a row');
  const text = (key: string): string => checked(row, key, 'string') as string;
  const number = (key: string): number => checked(row, key, 'number') as number;
  const optional = (key: string, type: string): object =>
    row[key] === undefined ? {} : { [key]: checked(row, key, type) };
  return {
    what: text('what'),
    figure: number('figure'),
    unit: text('unit'),
    min: number('min'),
    max: number('max'),
    rounds: number('rounds'),
    ...optional('peer', 'string'),
    ...optional('ratio', 'number'),
    ...optional('budget', 'string'),
    ...optional('holds', 'boolean'),
  };
}

function skippedOf(value: unknown): Skipped {
  const { what, why } = fieldsOf(value, 'an entry of skipped');
  return { what: String(what), why: String(why) };
}

function versionsOf(value: unknown): Record<string, string> {
  const pairs = Object.entries(fieldsOf(value, 'versions'));
  return Object.fromEntries(pairs.map(([name, version]) => [name, String(version)]));
}

function listOf(value: unknown, name: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error(`${name} is not a list`);
}

function fieldsOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw new Error(`${name} is not an object: ${JSON.stringify(value)}`);
}

function checked(row: Record<string, unknown>, key: string, type: string): unknown {
  const value = row[key];
  if (typeof value === type) return value;
  throw new Error(`${key} is not a ${type} in the row ${JSON.stringify(row)}`);
}
