/** A register over all shards goes on once for each outcome, however often that is told. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src/core/codes.ts';
import type { Ledger } from '../../src/core/ledger.ts';
import { Kind, Message } from '../../src/core/message.ts';
import { Answer, AnswerKind } from '../../src/workers/answer.ts';
import { Dispatched, Ran } from '../../src/workers/dispatch.ts';
import { PLACE_WAIT_MS } from '../../src/workers/limits.ts';
import { RegisterFlow } from '../../src/workers/register-flow.ts';
import type { ShardPort } from '../../src/workers/shard-port.ts';

/** What went into a ring. */
let queued: { kind: Kind; reference: number }[];
/** Whether rings have room. */
let hasRoom: boolean;
/** Places taken of 10, and how many of them are given back soon. */
let taken: number;
let coming: number;
let isWritable: boolean;
const now = Float64Array.of(1_000);
/** The shard whose oldest session is the oldest of all; −1 = none can be evicted. */
let oldest: number;
/** What happens after somebody has looked how many places are taken. */
let afterLook: () => void;
/** Of registers that were refused. */
let refusals: ErrorCode[];
let flow: RegisterFlow;
let port: ShardPort;

function start(evicts: boolean): void {
  const table = {
    log: {
      get isWritable() {
        return isWritable;
      },
    },
  };
  port = { pinned: 0, table } as unknown as ShardPort;
  const ledger = {
    sessionsMax: 10,
    sessions() {
      const found = taken;
      afterLook();
      return found;
    },
    get coming() {
      return coming;
    },
    oldestShard: () => oldest,
    lowestBoundBeside: () => 0,
  };
  const dispatcher = {
    ledger: ledger as unknown as Ledger,
    clock: { cell: now },
    ports: [port],
    portOf: () => port,
    dispatchDirect: () => Ran.NO_ROOM,
    dispatch(m: Message): number {
      if (!hasRoom) return Dispatched.BLOCKED;
      queued.push({ kind: m.kind as Kind, reference: m.request });
      return Dispatched.QUEUED;
    },
    refuse: (_m: Message, _port: ShardPort, code: ErrorCode) => void refusals.push(code),
  };
  flow = new RegisterFlow(dispatcher, evicts);
  submit();
}

function submit(): void {
  const m = new Message();
  m.kind = Kind.REGISTER;
  flow.submit(m, port);
}

beforeEach(() => {
  queued = [];
  hasRoom = true;
  taken = 10;
  coming = 0;
  isWritable = true;
  oldest = 0;
  afterLook = () => {};
  refusals = [];
  start(true);
});

afterEach(() => expect(refusals).toEqual([]));

const kinds = (): Kind[] => queued.map(({ kind }) => kind);

function answered(reference: number): void {
  const a = new Answer();
  a.kind = AnswerKind.REGISTERED;
  a.code = reference;
  flow.finish(a);
}

it('is sent once when its eviction is told twice', () => {
  const { reference } = queued[0];
  flow.resume(reference, Ran.EVICTED);
  flow.resume(reference, Ran.EVICTED);
  expect(kinds()).toEqual([Kind.EVICT, Kind.REGISTER]);
  answered(queued[1].reference);
  expect(flow.pending).toBe(0);
});

it('is sent once when the second telling comes before there is room in a ring', () => {
  hasRoom = false;
  const { reference } = queued[0];
  flow.resume(reference, Ran.EVICTED);
  hasRoom = true;
  flow.resume(reference, Ran.EVICTED);
  flow.retry();
  expect(kinds()).toEqual([Kind.EVICT, Kind.REGISTER]);
});

it('goes on with the second eviction when the first is told again', () => {
  const first = queued[0].reference;
  flow.resume(first, Ran.NOT_OLDEST);
  flow.resume(first, Ran.EVICTED);
  expect(kinds()).toEqual([Kind.EVICT, Kind.EVICT]);
  flow.resume(queued[1].reference, Ran.EVICTED);
  expect(kinds()).toEqual([Kind.EVICT, Kind.EVICT, Kind.REGISTER]);
  answered(first);
  answered(queued[1].reference);
  expect(flow.pending).toBe(1);
  answered(queued[2].reference);
  expect(flow.pending).toBe(0);
});

describe('where places go back when that is on disk, a register', () => {
  beforeEach(() => {
    queued = [];
    // One session has ended, and that is being written.
    coming = 1;
  });

  it('waits for a place that is on its way, and takes it', () => {
    start(false);
    flow.retry();
    expect(flow.mayGoOn).toBe(false);
    expect(kinds()).toEqual([]);
    taken = 9;
    coming = 0;
    expect(flow.mayGoOn).toBe(true);
    flow.retry();
    expect(kinds()).toEqual([Kind.REGISTER]);
    answered(queued[0].reference);
    expect(flow.pending).toBe(0);
    expect(flow.mayGoOn).toBe(false);
  });

  it('does not wait for a place that somebody waits for already', () => {
    start(false);
    submit();
    submit();
    expect(kinds()).toEqual([Kind.EVICT, Kind.EVICT]);
    coming = 3;
    submit();
    submit();
    expect(kinds()).toHaveLength(2);
    expect(flow.mayGoOn).toBe(false);
    // A view takes one of the three places: who came last looks for an expired session.
    coming = 2;
    expect(flow.mayGoOn).toBe(true);
    flow.retry();
    expect(kinds()).toEqual([Kind.EVICT, Kind.EVICT, Kind.EVICT]);
    expect(flow.mayGoOn).toBe(false);
  });

  it('is told that the server is busy when others take the places for long', () => {
    start(false);
    now[0] += PLACE_WAIT_MS;
    flow.retry();
    expect([flow.pending, refusals]).toEqual([1, []]);
    now[0] += 1;
    flow.retry();
    expect([flow.pending, refusals.splice(0)]).toEqual([0, [ErrorCode.SERVER_BUSY]]);
    // The next one waits as long again.
    submit();
    flow.retry();
    expect(flow.pending).toBe(1);
  });

  it('looks for an expired session when another took the place', () => {
    start(false);
    coming = 0;
    expect(flow.mayGoOn).toBe(true);
    flow.retry();
    expect(kinds()).toEqual([Kind.EVICT]);
  });

  it('is not refused when nobody has expired and a place is on its way', () => {
    coming = 0;
    start(false);
    expect(kinds()).toEqual([Kind.EVICT]);
    coming = 1;
    flow.resume(queued[0].reference, Ran.NOT_EXPIRED);
    taken = 9;
    coming = 0;
    flow.retry();
    expect(kinds()).toEqual([Kind.EVICT, Kind.REGISTER]);
  });

  it('waits for the place of a session that expired to make way', () => {
    coming = 0;
    start(false);
    coming = 1;
    flow.resume(queued[0].reference, Ran.EVICTED);
    expect(kinds()).toEqual([Kind.EVICT]);
    taken = 9;
    coming = 0;
    flow.retry();
    expect(kinds()).toEqual([Kind.EVICT, Kind.REGISTER]);
  });

  it('is not refused when its place comes between two looks', () => {
    coming = 0;
    start(false);
    coming = 1;
    afterLook = () => {
      taken = 9;
      coming = 0;
    };
    flow.resume(queued[0].reference, Ran.NOT_EXPIRED);
    flow.retry();
    expect(kinds()).toEqual([Kind.EVICT, Kind.REGISTER]);
  });

  it('is refused at once when there are only such places, and the disk is full', () => {
    coming = 9;
    oldest = -1;
    isWritable = false;
    start(false);
    // The tenth is just being admitted, and could be seen any time.
    expect(flow.stalled).toBe(1);
    coming = 10;
    flow.retry();
    expect(flow.pending).toBe(0);
    expect(refusals.splice(0)).toEqual([ErrorCode.SESSIONS_EXHAUSTED]);
  });

  it('does not wait for a disk that is full', () => {
    isWritable = false;
    start(false);
    expect(kinds()).toEqual([Kind.EVICT]);
    flow.resume(queued[0].reference, Ran.NOT_EXPIRED);
    expect(refusals.splice(0)).toEqual([ErrorCode.SESSIONS_EXHAUSTED]);
  });
});
