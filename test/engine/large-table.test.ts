/**
 * A shard of more sessions than the caches hold looks at the messages of a batch before it runs
 * them. Each is answered as if it did not.
 */
import { describe, expect, it } from 'vitest';
import { id, startEngine } from './helpers.ts';

/** Above what a shard needs to look ahead. */
const SESSIONS = 20_000;

describe('a large table', () => {
  it('answers every request of every session once, in batches through the ring', async () => {
    const engine = await startEngine({ shards: 1, sessionsMax: SESSIONS, run: 'worker' });
    const sessions: number[] = [];
    for (let n = 0; n < SESSIONS; n += 500) {
      const part = Array.from({ length: 500 }, (_, i) => engine.register(id(n + i + 1)));
      for (const { session } of await Promise.all(part)) sessions.push(session);
    }
    for (let request = 1; request <= 2; request++) {
      for (let n = 0; n < SESSIONS; n += 500) {
        const part = Array.from({ length: 500 }, async (_, i) => {
          const at = n + i;
          const body = `${request} of ${at}`;
          const reply = await engine.request(id(at + 1), sessions[at], request, 'echo', body);
          return reply.body === body && !reply.replayed;
        });
        expect((await Promise.all(part)).every(Boolean)).toBe(true);
      }
    }
    expect(engine.stats()).toMatchObject({ requests: 2 * SESSIONS, replays: 0, errors: 0 });
  });
});
