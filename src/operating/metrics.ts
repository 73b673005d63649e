/**
 * The status as Prometheus reads it. Nothing is counted a second time: each metric reads the
 * status that was taken for the scrape. Base units, and no label that grows with sessions.
 */
import { type Metric, Registry } from 'prom-client';
import type { HistogramStatus } from '../core/histogram.ts';
import type { Counts, EngineStatus, ShardStatus } from '../workers/status.ts';

interface Value {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

type Kind = 'counter' | 'gauge' | 'histogram' | 'summary';

interface Definition {
  readonly name: string;
  readonly help: string;
  readonly type: Kind;
  read(status: EngineStatus): readonly Value[];
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #status: () => EngineStatus;
  /** Of the scrape at hand. */
  #taken: EngineStatus;

  constructor(status: () => EngineStatus) {
    this.#status = status;
    this.#taken = status();
    for (const definition of DEFINITIONS) {
      const { name, help, type } = definition;
      const get = async () => ({ name, help, type, values: definition.read(this.#taken) });
      // What a registry needs of a metric is its name and `get`.
      this.#registry.registerMetric({ name, help, type, get } as unknown as Metric);
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    this.#taken = this.#status();
    return this.#registry.metrics();
  }
}

const one = (value: number): Value[] => [{ value }];

/** A value for each of some fields, told apart by a label. */
function labelled(label: string, values: Readonly<Record<string, number>>): Value[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

function byShard(status: EngineStatus, read: (shard: ShardStatus) => number): Value[] {
  return status.shards.map((shard) => ({ labels: { shard: shard.shard }, value: read(shard) }));
}

type JournalFigures = NonNullable<ShardStatus['journal']>;

function byJournal(status: EngineStatus, read: (journal: JournalFigures) => number): Value[] {
  const journaled = status.shards.filter(({ journal }) => journal !== null);
  return journaled.map(({ shard, journal }) => ({
    labels: { shard },
    value: read(journal as JournalFigures),
  }));
}

/** Powers of two from 8 µs to 67 s: edges of the buckets that are counted. */
const BOUNDS_US = Array.from({ length: 24 }, (_, index) => 2 ** (index + 3));

/**
 * Histograms as one of Prometheus. Durations are whole microseconds, rounded down, so what lies
 * below a bound when counted did so before.
 */
function histogram(name: string, all: readonly HistogramStatus[]): Value[] {
  const buckets = all.flatMap((each) => each.buckets);
  const count = all.reduce((sum, each) => sum + each.count, 0);
  const sumUs = all.reduce((sum, each) => sum + each.sumUs, 0);
  const below = (bound: number): number =>
    buckets.reduce((sum, [upper, inIt]) => sum + (upper < bound ? inIt : 0), 0);
  const metricName = `${name}_bucket`;
  return [
    ...BOUNDS_US.map((bound) => ({ metricName, labels: { le: bound / 1e6 }, value: below(bound) })),
    { metricName, labels: { le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, value: sumUs / 1e6 },
    { metricName: `${name}_count`, value: count },
  ];
}

function operationTimes(status: EngineStatus): Value[] {
  const name = 'sessile_operation_duration_seconds';
  return status.operations.flatMap((each) => {
    const labels = { operation: each.name };
    const sum = (each.meanUs * each.sampled) / 1e6;
    return [
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: each.sampled },
    ];
  });
}

const endings = ({ evicted, expired, closed, disconnected, removed }: Counts) => ({
  ...{ evicted, expired, closed, disconnected, removed },
});

const results = ({ requests, calls, replays, errors }: Counts) => ({
  ...{ executed: requests, called: calls, replayed: replays, refused: errors },
});

const syncs = (status: EngineStatus): HistogramStatus[] =>
  status.shards.flatMap(({ journal }) => (journal === null ? [] : [journal.sync]));

function define(
  type: Kind,
  name: string,
  help: string,
  read: (status: EngineStatus) => readonly Value[],
): Definition {
  return { type, name, help, read };
}

const DEFINITIONS: readonly Definition[] = [
  define('gauge', 'sessile_build_info', 'Always 1; the labels tell which versions run.', (s) => [
    { labels: { version: s.engine, node: s.node }, value: 1 },
  ]),
  define('gauge', 'sessile_sessions', 'Live sessions.', (s) => one(s.sessions)),
  define('gauge', 'sessile_sessions_capacity', 'Live sessions at most.', (s) => one(s.sessionsMax)),
  define('gauge', 'sessile_sessions_executing', 'Sessions that execute a request now.', (s) =>
    one(s.executing),
  ),
  define('counter', 'sessile_registrations_total', 'Registers that were granted.', (s) =>
    labelled('result', { new: s.totals.registered, resumed: s.totals.resumed }),
  ),
  define(
    'counter',
    'sessile_requests_total',
    'Messages of sessions, by what became of them.',
    (s) => labelled('result', results(s.totals)),
  ),
  define('counter', 'sessile_commits_total', 'Registers, requests and calls that committed.', (s) =>
    one(s.totals.commits),
  ),
  define('counter', 'sessile_errors_total', 'Refusals, by error code.', (s) =>
    labelled('code', s.errors),
  ),
  define('counter', 'sessile_evictions_total', 'Sessions that ended, by reason.', (s) =>
    labelled('reason', endings(s.totals)),
  ),
  define(
    'histogram',
    'sessile_request_duration_seconds',
    'From the frame read to the answer written out.',
    (s) => histogram('sessile_request_duration_seconds', [s.duration]),
  ),
  define('counter', 'sessile_operations_total', 'Executions, by operation.', (s) =>
    s.operations.map(({ name, count }) => ({ labels: { operation: name }, value: count })),
  ),
  define('counter', 'sessile_operation_failures_total', 'Executions that failed.', (s) =>
    s.operations.map(({ name, failed }) => ({ labels: { operation: name }, value: failed })),
  ),
  define(
    'summary',
    'sessile_operation_duration_seconds',
    'Execution times of a sample: one a millisecond at most, and each that returned a promise.',
    operationTimes,
  ),
  define('gauge', 'sessile_shard_sessions', 'Live sessions of a shard.', (s) =>
    byShard(s, ({ sessions }) => sessions),
  ),
  define(
    'gauge',
    'sessile_shard_ring_fill_ratio',
    'How full the ring to a shard is, 0 to 1.',
    (s) => byShard(s, (shard) => shard.ringUsedBytes / shard.ringBytes),
  ),
  define(
    'gauge',
    'sessile_shard_sweep_lag_seconds',
    'How long ago a shard last looked for expired sessions.',
    (s) => byShard(s, ({ sweepLagMs }) => sweepLagMs / 1e3),
  ),
  define(
    'histogram',
    'sessile_journal_sync_duration_seconds',
    'How long syncs of the journal took, over all shards.',
    (s) => histogram('sessile_journal_sync_duration_seconds', syncs(s)),
  ),
  define('counter', 'sessile_journal_batches_total', 'Batches that were written.', (s) =>
    byJournal(s, ({ batches }) => batches),
  ),
  define('counter', 'sessile_journal_written_bytes_total', 'Bytes of these batches.', (s) =>
    byJournal(s, ({ syncedBytes }) => syncedBytes),
  ),
  define('gauge', 'sessile_journal_buffered_bytes', 'What waits to be written.', (s) =>
    byJournal(s, ({ bufferedBytes }) => bufferedBytes),
  ),
  define('gauge', 'sessile_journal_disk_bytes', 'What the journal takes on the disk.', (s) =>
    byJournal(s, ({ diskBytes }) => diskBytes),
  ),
  define('gauge', 'sessile_journal_segments', 'Files of the journal.', (s) =>
    byJournal(s, ({ segments }) => segments),
  ),
  define(
    'gauge',
    'sessile_journal_writable',
    '1, or 0 while the disk is full or has failed.',
    (s) => byJournal(s, ({ state }) => (state === 'ok' ? 1 : 0)),
  ),
  define('gauge', 'sessile_connections', 'Open connections.', (s) => one(s.frontEnd.connections)),
  define('gauge', 'sessile_connections_capacity', 'Open connections at most.', (s) =>
    one(s.frontEnd.connectionsMax),
  ),
  define('counter', 'sessile_connections_total', 'Connections, by what became of them.', (s) =>
    labelled('result', { accepted: s.frontEnd.accepted, refused: s.frontEnd.refused }),
  ),
  define('counter', 'sessile_received_bytes_total', 'Bytes that clients sent.', (s) =>
    one(s.frontEnd.bytesIn),
  ),
  define('counter', 'sessile_sent_bytes_total', 'Bytes that were sent to clients.', (s) =>
    one(s.frontEnd.bytesOut),
  ),
  define(
    'gauge',
    'sessile_event_loop_delay_p50_seconds',
    'Median lateness of the front end.',
    (s) => one(s.frontEnd.eventLoopDelay.p50Us / 1e6),
  ),
  define('gauge', 'sessile_event_loop_delay_p99_seconds', '99th percentile of the same.', (s) =>
    one(s.frontEnd.eventLoopDelay.p99Us / 1e6),
  ),
  define('gauge', 'sessile_event_loop_delay_max_seconds', 'Maximum of the same.', (s) =>
    one(s.frontEnd.eventLoopDelay.maxUs / 1e6),
  ),
  define('gauge', 'process_resident_memory_bytes', 'Memory of the process.', (s) =>
    one(s.memory.rssBytes),
  ),
  define('gauge', 'process_start_time_seconds', 'When it started, in seconds since 1970.', (s) =>
    one((s.timeMs - s.uptimeMs) / 1e3),
  ),
  define('gauge', 'sessile_heap_used_bytes', "Heap of the front end's thread.", (s) =>
    one(s.memory.heapUsedBytes),
  ),
  define('gauge', 'sessile_shared_memory_bytes', 'Tables, rings and buffers, as reserved.', (s) =>
    one(s.memory.sharedBytes),
  ),
];
