/**
 * What a session's data must be: the same operations, done here. A step is a request together with
 * the reply that it must get and the data that it leaves; whatever was lost or executed twice
 * shows in the next reply.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Random } from './random.ts';

export type ServiceName = 'account' | 'data';

export interface Step {
  readonly operation: string;
  readonly body: unknown;
  /** The reply that it must get; a failure's body is not compared. */
  readonly reply: unknown;
  readonly fails: boolean;
  /** What the session's data is then. */
  readonly after: State;
}

export interface State {
  readonly version: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Overdrawn by any account of a run. */
const TOO_MUCH = 2 ** 40;
const PAD_MAX = 900;

export function newState(service: ServiceName): State {
  return { version: 0, data: service === 'account' ? { balance: 0 } : {} };
}

export function nextStep(service: ServiceName, state: State, random: Random): Step {
  return service === 'account' ? accountStep(state, random) : dataStep(state, random);
}

function accountStep(state: State, random: Random): Step {
  const balance = Number(state.data.balance);
  if (random.chance(5)) {
    return { operation: 'withdraw', body: TOO_MUCH, reply: undefined, fails: true, after: state };
  }
  const amount = random.between(1, 1_000);
  const data = { balance: balance + amount };
  const after = { version: state.version + 1, data };
  return { operation: 'deposit', body: amount, reply: data, fails: false, after };
}

function dataStep(state: State, random: Random): Step {
  const { version, data } = state;
  const n = Number(data.n ?? 0);
  const written = (changed: Record<string, unknown>): State => ({
    version: version + 1,
    data: changed,
  });
  const kind = random.below(10);
  if (kind < 4) {
    const by = random.between(1, 9);
    const after = written({ ...data, n: n + by });
    return { operation: 'increment', body: ['n', by], reply: n + by, fails: false, after };
  }
  if (kind < 6) {
    const after = written({ n: n + 1, pad: pad(random) });
    return { operation: 'put', body: after.data, reply: version + 1, fails: false, after };
  }
  if (kind < 7) {
    const body = { pad: pad(random) };
    const after = written({ ...data, ...body });
    return { operation: 'merge', body, reply: version + 1, fails: false, after };
  }
  if (kind < 8) {
    const echoed = pad(random);
    const body = [
      ['increment', ['n', 1]],
      ['echo', echoed],
    ];
    const after = written({ ...data, n: n + 1 });
    return { operation: 'batch', body, reply: [n + 1, echoed], fails: false, after };
  }
  if (kind < 9) {
    const body = [version + 1, { wrong: true }];
    return { operation: 'put_if', body, reply: undefined, fails: true, after: state };
  }
  return { operation: 'get', body: null, reply: [version, data], fails: false, after: state };
}

function pad(random: Random): string {
  return 'x'.repeat(random.below(random.chance(50) ? 16 : PAD_MAX));
}

export function isSame(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(one, other);
}

/** A call that reads a session's data, and what it must give. */
export function reading(service: ServiceName, state: State): [operation: string, result: unknown] {
  if (service === 'account') return ['balance', state.data];
  return ['peek', [state.version, state.data]];
}
