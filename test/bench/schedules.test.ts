/** Who is measured when, and what becomes of a round that fails. */
import { describe, expect, it } from 'vitest';
import type { Job, LatencyJob, LatencyOutcome, Outcome } from '../../bench/load/job.ts';
import { measureLatencies, planSeries, summaryOf } from '../../bench/load/latency-plan.ts';
import { runPlan } from '../../bench/load/schedule.ts';
import {
  skippedOf,
  tableOf,
  summaryOf as throughputSummaryOf,
} from '../../bench/load/throughput.ts';
import { contest, summaryOf as contestSummaryOf } from '../../bench/store/contest.ts';
import { figuresOf } from '../../bench/store/erlang.ts';

const TARGETS = [
  { name: 'sessile', version: '1', port: 1 },
  { name: 'redis', version: '7', port: 2 },
] as const;
const SHAPES = [
  { connections: 50, inFlight: 1 },
  { connections: 1, inFlight: 1000 },
];
const PLAN = {
  targets: TARGETS,
  shapes: SHAPES,
  operation: 'echo',
  warmUpMs: 1,
  windowMs: 2,
} as const;
const silent = (): void => {};

describe('throughput', () => {
  it('takes all servers in turn, shape by shape, in every round', async () => {
    const order: string[] = [];
    const run = async (job: Job): Promise<Outcome> => {
      order.push(`${job.target} ${job.connections}x${job.inFlight} at ${job.port}`);
      return { replies: 10, seconds: 2, generatorCpu: 0.5 };
    };
    const series = await runPlan({ ...PLAN, rounds: 2 }, run, silent);
    const round = [
      'sessile 50x1 at 1',
      'redis 50x1 at 2',
      'sessile 1x1000 at 1',
      'redis 1x1000 at 2',
    ];
    expect(order).toEqual([...round, ...round]);
    expect(series.map(({ requestsPerSecond }) => requestsPerSecond)).toEqual(Array(4).fill([5, 5]));
  });

  it('discards a round that fails, with a word, and pairs the others', async () => {
    let calls = 0;
    const run = async ({ target }: Job): Promise<Outcome> => {
      calls += 1;
      if (calls === 2) throw new Error('the server closed a connection');
      return { replies: target === 'redis' ? 100 : 50 * calls, seconds: 1, generatorCpu: 0.5 };
    };
    const said: string[] = [];
    const plan = { ...PLAN, shapes: SHAPES.slice(0, 1), rounds: 3 };
    const series = await runPlan(plan, run, (text) => said.push(text));
    expect(said[1]).toBe('round 1: redis 50x1 discarded: the server closed a connection');
    expect(skippedOf(series)).toEqual([
      {
        what: 'redis, 50 × 1',
        why: '1 of 3 rounds discarded: the server closed a connection',
      },
    ]);
    const rows = throughputSummaryOf(series, '', 'tcp-');
    expect(rows[0]).toMatchObject({ figure: 150, min: 50, max: 250, rounds: 3 });
    // Rounds 2 and 3: 150 / 100 and 250 / 100.
    expect(rows[1]).toMatchObject({ peer: 'redis', rounds: 2, ratio: 2, budget: 'tcp-50x1' });
    expect(tableOf(series)[1][1]).toContain('2.00');
  });

  it('leaves out a server of which every round failed', async () => {
    const run = async ({ target }: Job): Promise<Outcome> => {
      if (target === 'redis') throw new Error('it is gone');
      return { replies: 1, seconds: 1, generatorCpu: 0.5 };
    };
    const series = await runPlan({ ...PLAN, rounds: 2 }, run, silent);
    expect(throughputSummaryOf(series, '', 'tcp-').map(({ peer }) => peer)).toEqual([
      undefined,
      undefined,
    ]);
  });
});

describe('latency', () => {
  const peaks = TARGETS.map((target, i) => ({ target, requestsPerSecond: [1001, 2000][i] }));

  it('loads all alike by the slowest, then each by its own peak', () => {
    const plan = planSeries(peaks);
    const rates = plan.map(({ target, requestsPerSecond }) => [target, requestsPerSecond]);
    expect(rates).toEqual([
      ['sessile', 500],
      ['redis', 500],
      ['sessile', 500],
      ['redis', 1000],
      ['sessile', 800],
      ['redis', 1600],
    ]);
  });

  it('compares under the common load only', async () => {
    const run = async ({ target }: LatencyJob): Promise<LatencyOutcome> => {
      const time = target === 'redis' ? 30 : 10;
      const latencies = { p50: time, p90: time, p99: time, 'p99.9': time, max: time };
      return { latencies, requestsPerSecond: 1, unanswered: 0, lateMicroseconds: 1 };
    };
    const plan = { peaks, rounds: 2, connections: 50, warmUpMs: 1, windowMs: 1 };
    const rows = summaryOf(await measureLatencies(plan, run, silent));
    const ofRedis = rows.filter(({ peer }) => peer === 'redis').map(({ ratio }) => ratio);
    expect(ofRedis).toEqual([3, 3, 3, ...Array(6).fill(undefined)]);
  });
});

describe('stores', () => {
  it('take turns, each after cycles of its own that do not count', async () => {
    const order: string[] = [];
    const contender = (name: string, warmUpCycles: number) => ({
      name,
      warmUpCycles,
      cycle: async () => {
        order.push(name);
        return { get: order.length };
      },
    });
    const { figures } = await contest([contender('a', 2), contender('b', 1)], 2);
    expect(order.join('')).toBe('aababab');
    expect(figures.get('a')).toEqual([{ get: 4 }, { get: 6 }]);
  });

  it('drop one that fails, by name, and go on without it', async () => {
    let calls = 0;
    const good = { name: 'ours', warmUpCycles: 0, cycle: async () => allWorks(100) };
    const bad = {
      name: 'theirs',
      warmUpCycles: 0,
      cycle: async () => {
        calls += 1;
        if (calls === 2) throw new Error('no space');
        return { get: 250 };
      },
    };
    const result = await contest([good, bad], 4);
    expect(calls).toBe(2);
    expect(result.skipped).toEqual([{ what: 'theirs', why: 'no space' }]);
    const theirs = contestSummaryOf(result, () => undefined).filter(
      ({ peer }) => peer === 'theirs',
    );
    expect(theirs).toMatchObject([{ figure: 250, rounds: 1, ratio: 2.5 }]);
    expect(theirs[0].what).toContain('get');
  });

  it('of Erlang leave out works that they do not do', () => {
    expect(figuresOf('ok 1.50 2 3 - - 4 5 -')).toEqual({
      create: 1.5,
      get: 2,
      put: 3,
      list: 4,
      remove: 5,
    });
    expect(() => figuresOf('error {undef,mnesia}')).toThrow(
      'Erlang answered: error {undef,mnesia}',
    );
    expect(() => figuresOf('ok 1 2')).toThrow('Erlang answered');
  });
});

function allWorks(nanoseconds: number): Record<string, number> {
  const works = ['create', 'get', 'put', 'merge', 'touch', 'list', 'remove', 'sweep'];
  return Object.fromEntries(works.map((work) => [work, nanoseconds]));
}
