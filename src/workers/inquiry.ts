/**
 * One message and its answer, as a promise: for the rare things that an operator asks for.
 */
import type { Message } from '../core/message.ts';
import type { Answer, AnswerKind } from './answer.ts';
import { Submitted } from './dispatch.ts';
import type { Router } from './router.ts';

export interface Told {
  readonly kind: AnswerKind;
  readonly code: number;
  readonly value: number;
  readonly again: boolean;
}

/**
 * Sends a message, again in later turns while there is no room for it. Resolves with its answer,
 * or with undefined when the router has no address left for one.
 *
 * @param shard where it goes; without it, to the shard of its id
 */
export function ask(router: Router, m: Message, shard?: number): Promise<Told | undefined> {
  return new Promise((resolve) => {
    const sink = {
      answer(a: Answer): void {
        if (a.of === 0) return;
        router.close(m.token);
        resolve({ kind: a.kind, code: a.code, value: a.value, again: a.again });
      },
    };
    m.token = router.open(sink);
    if (m.token === 0) resolve(undefined);
    else send(router, m, shard);
  });
}

function send(router: Router, m: Message, shard: number | undefined): void {
  if (!router.inBatch) {
    router.begin(0);
    const submitted = shard === undefined ? router.submit(m) : router.submitTo(m, shard);
    router.end();
    if (submitted === Submitted.TAKEN) return;
  }
  // Whoever asked a router that has stopped is told so by the operator.
  if (!router.stopped) setImmediate(() => send(router, m, shard));
}
