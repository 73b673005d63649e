/** The frame that answers a call to the server itself. */
import { Kind, Message } from '../core/message.ts';
import { answerBytesMax, writeError } from './answer-frames.ts';
import type { Outcome } from './operator-calls.ts';
import type { Output } from './output.ts';
import { ToClient } from './protocol.ts';

/** Returns the room that it took. */
export function writeOutcome(output: Output, correlation: number, outcome: Outcome): number {
  if ('code' in outcome) {
    const subject = new Message();
    subject.request = correlation;
    output.reserve(answerBytesMax(0));
    writeError(output.writer, outcome.code, Kind.CALL, subject, outcome.text);
    return answerBytesMax(0);
  }
  const { body, status } = outcome;
  const room = answerBytesMax(body.byteLength);
  output.reserve(room);
  const w = output.writer;
  w.begin(ToClient.RESULT, 4);
  w.uint32(correlation);
  w.uint32(status);
  w.raw(body, 0, body.byteLength);
  w.finish();
  return room;
}
