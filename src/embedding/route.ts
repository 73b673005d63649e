/**
 * Who asked last for the request that a session executes, as a message to answer.
 */
import { Row, RowByte } from '../core/layout.ts';
import { Kind, Message } from '../core/message.ts';
import type { SessionTable } from '../core/session-table.ts';

/** A message about the request after the last committed one; its token is 0 if nobody asked. */
export function routeOf(table: SessionTable, slot: number): Message {
  const { words } = table.arena;
  const row = table.rowOf(slot);
  const m = new Message();
  m.kind = Kind.REQUEST;
  m.id0 = words[row + Row.ID0];
  m.id1 = words[row + Row.ID1];
  m.id2 = words[row + Row.ID2];
  m.id3 = words[row + Row.ID3];
  m.sessionLow = words[row + Row.SESSION_LOW];
  m.sessionHigh = words[row + Row.SESSION_HIGH];
  m.request = (words[row + Row.REQUEST] + 1) | 0;
  m.frontEnd = (words[row + Row.FLAGS] >>> RowByte.FRONT_END) & RowByte.MASK;
  m.token = words[row + Row.TOKEN];
  return m;
}
