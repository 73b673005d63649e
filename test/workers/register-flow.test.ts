/** A register over all shards goes on once for each outcome, however often that is told. */
import { beforeEach, expect, it } from 'vitest';
import type { Ledger } from '../../src/core/ledger.ts';
import { Kind, Message } from '../../src/core/message.ts';
import { Answer, AnswerKind } from '../../src/workers/answer.ts';
import { Dispatched, Ran } from '../../src/workers/dispatch.ts';
import { RegisterFlow } from '../../src/workers/register-flow.ts';
import type { ShardPort } from '../../src/workers/shard-port.ts';

/** What went into a ring. */
let queued: { kind: Kind; reference: number }[];
/** Whether rings have room. */
let hasRoom: boolean;
let flow: RegisterFlow;

beforeEach(() => {
  queued = [];
  hasRoom = true;
  const port = { pinned: 0 } as ShardPort;
  const ledger = {
    sessionsMax: 10,
    sessions: () => 10,
    oldestShard: () => 0,
    lowestBoundBeside: () => 0,
  };
  const dispatcher = {
    ledger: ledger as unknown as Ledger,
    ports: [port],
    portOf: () => port,
    dispatchDirect: () => Ran.NO_ROOM,
    dispatch(m: Message): number {
      if (!hasRoom) return Dispatched.BLOCKED;
      queued.push({ kind: m.kind as Kind, reference: m.request });
      return Dispatched.QUEUED;
    },
    refuse: () => expect.unreachable('a register was refused'),
  };
  flow = new RegisterFlow(dispatcher, true);
  const m = new Message();
  m.kind = Kind.REGISTER;
  flow.submit(m, port);
});

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
