/**
 * What a worker does first when it replaces one that died: the table is rebuilt, and every message
 * that the dead worker had taken gets an answer.
 *
 * A request that was executing is committed as `failed`: the service may have acted outside the
 * session, so it must not run a second time. A message that was taken but not executed runs now.
 */
import { ErrorCode, Status } from '../core/codes.ts';
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
  for (const request of abandoned) commitAsFailed(executor, request);
  for (const ring of rings) finishInterrupted(executor, outboxes, ring, false);
}

function commitAsFailed(executor: Executor, request: AbandonedRequest): void {
  const { arena } = executor.table;
  const reply = new ValueWriter();
  reply.aim(arena.words, arena.bytes, arena.regions.stagedReply, arena.replyBytesMax);
  reply.value(FAILURE);
  if (reply.tooLarge) reply.clear();
  if (reply.length === 0) reply.nil();
  const row = executor.table.rowOf(request.slot);
  const m = new Message();
  m.kind = Kind.REQUEST;
  m.id0 = arena.words[row + Row.ID0];
  m.id1 = arena.words[row + Row.ID1];
  m.id2 = arena.words[row + Row.ID2];
  m.id3 = arena.words[row + Row.ID3];
  m.sessionLow = arena.words[row + Row.SESSION_LOW];
  m.sessionHigh = arena.words[row + Row.SESSION_HIGH];
  if (request.call !== undefined) {
    m.kind = Kind.CALL;
    m.request = request.call;
    m.frontEnd = request.frontEnd;
    m.token = request.token;
    executor.answerStaged(m, Status.FAILED, reply.length);
    return;
  }
  executor.table.commit(request.slot, Status.FAILED, reply.length, -1);
  m.request = arena.words[row + Row.REQUEST];
  executor.answerStored(m, request.slot);
}

/** Answers the one message per ring that the dead worker had taken and not finished. */
function finishInterrupted(
  executor: Executor,
  outboxes: Outboxes,
  ring: Ring,
  calls: boolean,
): void {
  const at = ring.interruptedRecord();
  if (at === 0) return;
  const m = new Message();
  readMessage(ring, at, m);
  if ((m.kind === Kind.CALL) !== calls) return;
  if (calls) finishCall(executor, ring, m);
  else if (m.kind === Kind.EVICT) outboxes.emitOutcome(m, Ran.EVICTED);
  else {
    const outcome = executor.run(m);
    if (outcome !== Ran.DONE) outboxes.emitOutcome(m, outcome);
  }
  ring.finishRecord();
  ring.release();
}

/** A call has no stored reply, but if it committed, its reply is still staged. */
function finishCall(executor: Executor, ring: Ring, m: Message): void {
  if (executor.commits === ring.interruptedCommits()) {
    executor.refuse(m, ErrorCode.SERVER_BUSY);
    return;
  }
  const { words } = executor.table.arena;
  executor.answerStaged(m, words[Header.INTENT_STATUS], words[Header.INTENT_REPLY_LENGTH]);
}
