/**
 * Answers of a shard reach a client in the order in which they were given, also where the front
 * end goes on with one of them on its own thread while others lie in the ring.
 */
import { expect, it } from 'vitest';
import { Arena } from '../../src/core/arena.ts';
import { Ledger } from '../../src/core/ledger.ts';
import { Kind, Message, RegisterFlag } from '../../src/core/message.ts';
import { SessionTable } from '../../src/core/session-table.ts';
import { checkService } from '../../src/services/service.ts';
import { sessionData } from '../../src/services/session-data.ts';
import { type Answer, AnswerKind } from '../../src/workers/answer.ts';
import { Doorbell } from '../../src/workers/doorbell.ts';
import { release, tryAcquire } from '../../src/workers/owner.ts';
import { Router } from '../../src/workers/router.ts';
import { ShardLoop } from '../../src/workers/shard-loop.ts';
import { createShardMemory, type ShardMemory } from '../../src/workers/shard-memory.ts';
import { idWords, setBody } from '../core/helpers.ts';

const WORKER = 1;
const FRONT_END = 2;
const SOMEBODY = 9;

function memoryOfOneSession(): ShardMemory {
  const config = {
    shards: 1,
    sessionsMax: 1,
    dataBytesMax: 64,
    ratePerSecond: 0,
    rateBurst: 0,
    replyBytesMax: 64,
    bodyBytesMax: 64,
    ttlDefaultMs: 3_600_000,
    executeTimeoutMs: 30_000,
    seedA: 1,
    seedB: 2,
    commitsBefore: 0,
    serviceUrl: '',
  };
  const memory = createShardMemory(config, 1, true);
  const ledger = new Ledger(memory.ledger);
  new SessionTable(new Arena(memory.arenas[0]), ledger, new Float64Array(1), SOMEBODY).start();
  return memory;
}

const nextTurn = (): Promise<void> => new Promise(setImmediate);

it('a reply that waits in the ring comes before the eviction of its session', async () => {
  const memory = memoryOfOneSession();
  const checked = checkService(sessionData);
  const options = { frontEnd: 0, runner: FRONT_END, run: 'auto', evicts: true, cores: 2 } as const;
  const router = new Router(memory, checked, { ...options, onProgress: () => {} });
  const seen: string[] = [];
  let session = 0;
  const token = router.open({
    answer(a: Answer) {
      if (a.kind === AnswerKind.REGISTERED) session ||= a.sessionLow;
      if (a.kind === AnswerKind.REGISTERED) seen.push(`registered ${a.id3}`);
      if (a.kind === AnswerKind.REPLY) seen.push(`reply ${a.id3}`);
      if (a.kind === AnswerKind.EVICTION) seen.push(`eviction ${a.id3}`);
    },
  });
  const first = idWords(1)[3];
  const second = idWords(2)[3];
  const submit = (kind: Kind, id: number, request = 0): void => {
    const m = new Message();
    m.kind = kind;
    m.token = token;
    [m.id0, m.id1, m.id2, m.id3] = idWords(id);
    m.sessionLow = kind === Kind.REQUEST ? session : 0;
    m.request = request;
    m.flags = kind === Kind.REGISTER ? RegisterFlag.TTL : 0;
    m.ttlMs = -1;
    m.operation = checked.names.echo;
    setBody(m, Uint8Array.of(0xc0));
    router.submit(m);
  };
  const batch = (body: () => void): void => {
    router.begin(0);
    body();
    router.end();
  };

  batch(() => submit(Kind.REGISTER, 1));
  expect(seen).toEqual([`registered ${first}`]);
  // Somebody has the shard, so both of these go through the ring: the register will find no room.
  const { words } = new Arena(memory.arenas[0]);
  expect(tryAcquire(words, SOMEBODY)).toBe(true);
  batch(() => {
    submit(Kind.REGISTER, 2);
    submit(Kind.REQUEST, 1, 1);
  });
  release(words);
  // The loop runs what lies in the ring before it first waits; its answers are not read yet.
  const running = new ShardLoop(memory, 0, WORKER, checked).run();
  expect(seen).toHaveLength(1);
  // The front end takes the shard for a message, reads the answers, and goes on with the register.
  batch(() => submit(Kind.CLOSE, 3));
  while (!seen.includes(`registered ${second}`)) await nextTurn();

  const ofFirst = seen.filter((text) => text.endsWith(` ${first}`));
  expect(ofFirst).toEqual([`registered ${first}`, `reply ${first}`, `eviction ${first}`]);
  Atomics.store(new Int32Array(memory.stopping), 0, 1);
  new Doorbell(memory.doorbells[0]).wake();
  await running;
  await router.stop();
});
