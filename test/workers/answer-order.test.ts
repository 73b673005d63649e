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
    evicts: true,
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

interface Front {
  readonly router: Router;
  /** What came for the only address, as `kind id`. */
  readonly seen: string[];
  readonly memory: ShardMemory;
  submit(kind: Kind, id: number, request?: number): void;
  batch(body: () => void): void;
  /** What the body submits goes through the ring, because somebody else has the shard. */
  queued(body: () => void): void;
  /** The shard's worker, which has run what lies in the ring when this returns. */
  startWorker(): void;
}

async function withFront(body: (front: Front) => Promise<void>): Promise<void> {
  const memory = memoryOfOneSession();
  const checked = checkService(sessionData);
  const options = { frontEnd: 0, runner: FRONT_END, run: 'auto', cores: 2 } as const;
  const router = new Router(memory, checked, { ...options, onProgress: () => {} });
  const seen: string[] = [];
  const sessions = new Map<number, number>();
  const names = { [AnswerKind.REGISTERED]: 'registered', [AnswerKind.REPLY]: 'reply' };
  const token = router.open({
    answer(a: Answer) {
      if (a.kind === AnswerKind.REGISTERED) sessions.set(a.id3, a.sessionLow);
      const name = { ...names, [AnswerKind.EVICTION]: 'eviction' }[a.kind as AnswerKind.REPLY];
      seen.push(`${name} ${a.id3}`);
    },
  });
  const { words } = new Arena(memory.arenas[0]);
  let running: Promise<void> | undefined;
  const front: Front = {
    router,
    seen,
    memory,
    submit(kind, id, request = 0) {
      const m = new Message();
      m.kind = kind;
      m.token = token;
      [m.id0, m.id1, m.id2, m.id3] = idWords(id);
      m.sessionLow = kind === Kind.REQUEST ? (sessions.get(m.id3) ?? 0) : 0;
      m.request = request;
      m.flags = kind === Kind.REGISTER ? RegisterFlag.TTL : 0;
      m.ttlMs = -1;
      m.operation = checked.names.echo;
      setBody(m, Uint8Array.of(0xc0));
      router.submit(m);
    },
    batch(part) {
      router.begin(0);
      part();
      router.end();
    },
    queued(part) {
      expect(tryAcquire(words, SOMEBODY)).toBe(true);
      front.batch(part);
      release(words);
    },
    startWorker() {
      running = new ShardLoop(memory, 0, WORKER, checked).run();
    },
  };
  await body(front);
  Atomics.store(new Int32Array(memory.stopping), 0, 1);
  new Doorbell(memory.doorbells[0]).wake();
  await running;
  await router.stop();
}

/** How the tests see the id of a number. */
const shown = (id: number): number => idWords(id)[3];

it('a reply that waits in the ring comes before the eviction of its session', async () => {
  await withFront(async ({ seen, submit, batch, queued, startWorker }) => {
    batch(() => submit(Kind.REGISTER, 1));
    expect(seen).toEqual([`registered ${shown(1)}`]);
    // The register will find no room.
    queued(() => {
      submit(Kind.REGISTER, 2);
      submit(Kind.REQUEST, 1, 1);
    });
    startWorker();
    expect(seen).toHaveLength(1);
    // The front end takes the shard for a message, reads the answers, goes on with the register.
    batch(() => submit(Kind.CLOSE, 3));
    while (!seen.includes(`registered ${shown(2)}`)) await nextTurn();
    const ofFirst = seen.filter((text) => text.endsWith(` ${shown(1)}`));
    expect(ofFirst.map((text) => text.split(' ')[0])).toEqual(['registered', 'reply', 'eviction']);
  });
});

it('registers that go on within each other are all answered', async () => {
  await withFront(async ({ router, seen, submit, batch, queued, startWorker }) => {
    batch(() => submit(Kind.REGISTER, 1));
    queued(() => {
      for (let id = 2; id <= 9; id++) submit(Kind.REGISTER, id);
    });
    startWorker();
    // Reading the outcome of one takes the shard for it, which reads those of the others.
    router.poll();
    for (let turn = 0; turn < 1_000; turn++) await nextTurn();
    const registered = seen.filter((text) => text.startsWith('registered'));
    expect(registered.sort()).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => `registered ${shown(id)}`).sort(),
    );
  });
});
