/**
 * A message about the session in a slot, made from its row: for answers that no message at hand
 * stands for.
 */
import { Row, RowByte } from '../core/layout.ts';
import { Kind, Message } from '../core/message.ts';
import type { SessionTable } from '../core/session-table.ts';

/**
 * A request of the session, to be answered where it last spoke (token 0: nowhere).
 *
 * @param ahead 0 = the last committed request, 1 = the one after it, which may be executing
 */
export function messageOf(table: SessionTable, slot: number, ahead: 0 | 1): Message {
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
  m.request = (words[row + Row.REQUEST] + ahead) | 0;
  m.frontEnd = (words[row + Row.FLAGS] >>> RowByte.FRONT_END) & RowByte.MASK;
  m.token = words[row + Row.TOKEN];
  return m;
}
