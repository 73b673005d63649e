/**
 * What a worker does first when it replaces one that died: the table is rebuilt, and every message
 * that the dead worker had taken gets an answer.
 *
 * A request that was executing is committed as `failed`: the service may have acted outside the
 * session, so it must not run a second time. A message that was taken but not executed runs now.
 */
import { Status } from '../core/codes.ts';
import { checkInvariants } from '../core/invariants.ts';
import { Header, Row } from '../core/layout.ts';
import { Kind, Message } from '../core/message.ts';
import { type AbandonedRequest, rebuild } from '../core/recovery.ts';
import { ValueWriter } from '../services/value-writer.ts';
import { Ran } from './dispatch.ts';
import type { Executor } from './executor.ts';
import type { Outboxes } from './outboxes.ts';
import { readMessage } from './records.ts';
import type { Ring } from './ring.ts';
import { messageOf } from './slot-message.ts';

const FAILURE =
  'the shard stopped while it executed this request; what it did outside the session is unknown';

/** Only by the owner of the shard; `runner` is the number that the dead worker had. */
export function takeOver(
  executor: Executor,
  outboxes: Outboxes,
  rings: readonly Ring[],
  runner: number,
): void {
  const abandoned = rebuild(executor.table, runner);
  checkInvariants(executor.table);
  // Calls first: the reply of one that committed is still staged, until failures stage theirs.
  for (const ring of rings) finishInterrupted(executor, outboxes, ring, true);
  answerOwed(executor);
  for (const request of abandoned) commitAsFailed(executor, request);
  for (const ring of rings) finishInterrupted(executor, outboxes, ring, false);
  reapAll(executor);
}

/** Ends the sessions whose connection has gone and which the dead worker had only unpinned yet. */
function reapAll(executor: Executor): void {
  const highWater = executor.table.arena.words[Header.HIGH_WATER];
  for (let slot = 0; slot < highWater; slot++) executor.reap(slot);
}

/** Answers for a promise whose commit the dead worker had begun, or made, and not yet told. */
function answerOwed(executor: Executor): void {
  const { arena } = executor.table;
  const { words, floats } = arena;
  const slot = words[Header.OWED_SLOT] - 1;
  if (slot < 0) return;
  const row = executor.table.rowOf(slot);
  const isCall = (words[Header.OWED_CALL] & 1) !== 0;
  const committed = executor.commits !== floats[Header.OWED_COMMITS / 2];
  const m = messageOf(executor.table, slot, 0);
  if (isCall) {
    m.kind = Kind.CALL;
    m.request = words[row + Row.EXECUTING_LOW];
    if (committed) {
      const length = words[Header.INTENT_REPLY_LENGTH];
      executor.answers.staged(m, slot, words[Header.INTENT_STATUS], length);
    } else if (!executor.table.isExecuting(slot)) {
      executor.answers.staged(m, slot, Status.FAILED, stageFailure(executor));
    }
  } else if (committed) {
    executor.answers.storedToAsker(m, slot);
  }
  words[Header.OWED_SLOT] = 0;
}

/** Stages the reply of what died; returns its length. */
function stageFailure(executor: Executor): number {
  const { words, bytes, regions, replyBytesMax } = executor.table.arena;
  const reply = new ValueWriter();
  reply.aim(words, bytes, regions.stagedReply, replyBytesMax);
  reply.value(FAILURE);
  if (reply.tooLarge) reply.clear();
  if (reply.length === 0) reply.nil();
  return reply.length;
}

function commitAsFailed(executor: Executor, abandoned: AbandonedRequest): void {
  const { slot, call, frontEnd, token } = abandoned;
  const length = stageFailure(executor);
  if (call === undefined) {
    const { words, floats } = executor.table.arena;
    floats[Header.OWED_COMMITS / 2] = executor.commits;
    words[Header.OWED_CALL] = 0;
    words[Header.OWED_SLOT] = slot + 1;
    executor.table.commit(slot, Status.FAILED, length, -1);
    executor.answers.storedToAsker(messageOf(executor.table, slot, 0), slot);
    words[Header.OWED_SLOT] = 0;
    executor.reap(slot);
    return;
  }
  const m = messageOf(executor.table, slot, 0);
  m.kind = Kind.CALL;
  m.request = call;
  m.frontEnd = frontEnd;
  m.token = token;
  executor.answers.staged(m, slot, Status.FAILED, length);
  executor.table.abort(slot);
  executor.reap(slot);
}

/** Answers the one message per ring that the dead worker had taken and not finished. */
function finishInterrupted(
  executor: Executor,
  outboxes: Outboxes,
  ring: Ring,
  calls: boolean,
): void {
  const at = ring.interruptedRecord();
  if (at === 0) {
    ring.finishRecord();
    ring.release();
    return;
  }
  const m = new Message();
  readMessage(ring, at, m);
  if ((m.kind === Kind.CALL) !== calls) return;
  if (calls) finishCall(executor, ring, m);
  else if (m.kind === Kind.EVICT) outboxes.emitOutcome(m, Ran.EVICTED);
  else {
    const outcome = executor.run(m, ring.interruptedCommits());
    if (outcome !== Ran.DONE) outboxes.emitOutcome(m, outcome);
  }
  ring.finishRecord();
  ring.release();
}

/**
 * A call has no stored reply, but if it committed, its reply is still staged. If not, its operation
 * may have begun, so it has failed, and does not run again.
 */
function finishCall(executor: Executor, ring: Ring, m: Message): void {
  const { index, arena } = executor.table;
  const { words } = arena;
  const slot = index.find(m.hash, m.id0, m.id1, m.id2, m.id3);
  if (executor.commits === ring.interruptedCommits()) {
    executor.answers.staged(m, slot, Status.FAILED, stageFailure(executor));
  } else {
    const length = words[Header.INTENT_REPLY_LENGTH];
    executor.answers.staged(m, slot, words[Header.INTENT_STATUS], length);
  }
}
