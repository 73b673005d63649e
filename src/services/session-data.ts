/**
 * The built-in service: a session's data is one msgpack map, with a version that every write
 * counts up. Portable. What reads or replaces the data whole allocates nothing.
 */
import type { ServiceContext } from './context.ts';
import { Batch, type DataOperation } from './data-batch.ts';
import { increment, merge } from './data-fields.ts';
import { info, setTtl } from './data-lifetime.ts';
import { echo, get, put, putIf, touch } from './data-values.ts';
import type { Operation, Service } from './service.ts';

const reads = { unsequenced: true, readOnly: true } as const;
const writes = { unsequenced: true } as const;

/** The version that data gets by a write in a commit of its own. */
const next = (context: ServiceContext): number => context.dataVersion + 1;

const single = {
  echo: { number: 0, ...reads, execute: echo },
  get: { number: 1, ...reads, execute: get },
  put: { number: 2, ...writes, execute: (context) => put(context, next(context)) },
  put_if: { number: 3, ...writes, execute: (context) => putIf(context, next(context)) },
  merge: { number: 4, ...writes, execute: (context) => merge(context, next(context)) },
  increment: { number: 5, ...writes, execute: increment },
  info: { number: 6, ...reads, execute: info },
  touch: { number: 7, ...reads, execute: touch },
  set_ttl: { number: 8, ...writes, touches: false, execute: setTtl },
  // A get that does not prolong the session.
  peek: { number: 10, ...reads, touches: false, execute: get },
} satisfies Record<string, Operation>;

/** The same as parts of a batch, which sets the version that they write. */
const parts: Record<keyof typeof single, DataOperation> = {
  echo,
  get,
  put,
  put_if: putIf,
  merge,
  increment,
  info,
  touch,
  set_ttl: setTtl,
  peek: get,
};

/** The parts of a batch by name and by number; a batch in a batch is none. */
function namedAndNumbered(): Map<string | number, DataOperation> {
  const operations = new Map<string | number, DataOperation>();
  for (const name of Object.keys(single) as (keyof typeof single)[]) {
    operations.set(name, parts[name]);
    operations.set(single[name].number, parts[name]);
  }
  return operations;
}

const batch = new Batch(namedAndNumbered());

export const sessionData: Service = {
  name: 'session-data',
  portable: true,
  initialData: true,
  operations: {
    ...single,
    batch: { number: 9, ...writes, execute: (context) => batch.execute(context) },
  },
};

export default sessionData;
