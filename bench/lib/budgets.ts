/**
 * What the design promises, as figures that a benchmark can hold or miss. A row of a summary names
 * the budget that it answers; one that no row answers is listed as not measured.
 */

export interface Budget {
  /** The benchmark that measures it. */
  readonly part: string;
  readonly what: string;
  /** Whether the row's ratio or its figure is meant. */
  readonly of: 'ratio' | 'figure';
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit: string;
}

export const BUDGETS: Readonly<Record<string, Budget>> = {
  'touch-10k': ratio('table', 'touch, 10 000 sessions, against lru-cache', 2.5),
  'touch-1m': ratio('table', 'touch, 1 000 000 sessions, against lru-cache', 2.5),
  'request-10k': ratio('table', 'request, 10 000 sessions, against lru-cache', 1.5),
  'request-1m': ratio('table', 'request, 1 000 000 sessions, against lru-cache', 1.5),
  'ets-create': ratio('store', 'create, against ETS', 8),
  'ets-get': ratio('store', 'get, against ETS', 8),
  'ets-put': ratio('store', 'put, against ETS', 8),
  'ets-remove': ratio('store', 'remove, against ETS', 8),
  'ets-list': ratio('store', 'list, against ETS', 8),
  'tcp-50x1': ratio('tcp', '50 × 1 over TCP, against Redis', 1),
  'tcp-50x16': ratio('tcp', '50 × 16 over TCP, against Redis', 1.2),
  'tcp-50x100': ratio('tcp', '50 × 100 over TCP, against Redis', 1.5),
  'tcp-1x1000': ratio('tcp', '1 × 1000 over TCP, against Redis', 1),
  'durable-50x1': ratio('tcp-durable', '50 × 1 on disk, against Redis', 1.5),
  'durable-50x16': ratio('tcp-durable', '50 × 16 on disk, against Redis', 1.5),
  'durable-50x100': ratio('tcp-durable', '50 × 100 on disk, against Redis', 1.5),
  'durable-1x1000': ratio('tcp-durable', '1 × 1000 on disk, against Redis', 1.5),
  'bytes-per-session': figure('layout', 'memory of a session beyond payloads', {
    atMost: 192,
    unit: 'bytes',
  }),
  sessions: figure('capacity', 'sessions in one process', {
    atLeast: 16_000_000,
    unit: 'sessions',
  }),
  collections: figure('garbage', 'collections in the shard over 10 million requests', {
    atMost: 0,
    unit: 'collections',
  }),
  recovery: figure('recovery', 'recovery of a million sessions', { atMost: 5_000, unit: 'ms' }),
};

/** Whether a row's median keeps a budget. */
export function holds(budget: Budget, row: { figure: number; ratio?: number }): boolean {
  const value = budget.of === 'ratio' ? row.ratio : row.figure;
  if (value === undefined) throw new Error(`${budget.what}: the row has no ${budget.of}`);
  return value >= (budget.atLeast ?? -Infinity) && value <= (budget.atMost ?? Infinity);
}

function ratio(part: string, what: string, atLeast: number): Budget {
  return { part, what, of: 'ratio', atLeast, unit: '×' };
}

function figure(
  part: string,
  what: string,
  limit: Pick<Budget, 'atLeast' | 'atMost' | 'unit'>,
): Budget {
  return { part, what, of: 'figure', ...limit };
}
