/**
 * The row of a session that is being registered. The flags come last: before them the slot is
 * nobody's, so a thread that dies in between has admitted nobody.
 */
import type { Arena } from './arena.ts';
import { assert } from './assert.ts';
import { copyWords } from './copy.ts';
import { Header, Row, RowByte, RowFlag } from './layout.ts';
import { TTL_NEVER } from './limits.ts';
import { type Message, RegisterFlag } from './message.ts';
import { bindPrincipal } from './principals.ts';

/** Fills in a free slot's row from a register; commit number and time are those of the header. */
export function admitRow(arena: Arena, row: number, slot: number, m: Message): void {
  const { words, floats } = arena;
  const time = floats[Header.COMMIT_TIME / 2];
  const commit = floats[Header.COMMITS / 2];
  const ttl = (m.flags & RegisterFlag.TTL) !== 0 ? m.ttlMs : arena.ttlDefaultMs;
  const never = ttl >>> 0 === TTL_NEVER;
  const ownRate = (m.flags & RegisterFlag.RATE) !== 0;
  const bound = (m.flags & RegisterFlag.CONNECTION) !== 0;
  for (let at = row + Row.REQUEST; at < row + Row.PRINCIPAL_LOW; at++) words[at] = 0;
  words[row + Row.ID0] = m.id0;
  words[row + Row.ID1] = m.id1;
  words[row + Row.ID2] = m.id2;
  words[row + Row.ID3] = m.id3;
  words[row + Row.SESSION_LOW] = commit | 0;
  words[row + Row.SESSION_HIGH] = (commit / 0x100000000) | 0;
  floats[(row + Row.DEADLINE) >> 1] = never ? time : time + (ttl >>> 0);
  floats[(row + Row.COMMIT) >> 1] = commit;
  floats[(row + Row.CREATED) >> 1] = time;
  words[row + Row.TTL_MS] = ttl;
  words[row + Row.RATE_PER_SECOND] = ownRate ? m.ratePerSecond : words[Header.RATE_PER_SECOND];
  words[row + Row.RATE_BURST] = ownRate ? m.rateBurst : words[Header.RATE_BURST];
  words[row + Row.CAPABILITIES] = m.capabilities;
  words[row + Row.TOKEN] = m.token;
  bindPrincipal(words, row, m.principalLow, m.principalHigh);
  if ((m.flags & RegisterFlag.DATA) !== 0) admitData(arena, row, slot, m);
  words[row + Row.FLAGS] =
    RowFlag.LIVE |
    (never ? RowFlag.NEVER : 0) |
    (bound ? RowFlag.CONNECTION : 0) |
    (words[row + Row.RATE_PER_SECOND] !== 0 ? RowFlag.RATED : 0) |
    (m.frontEnd << RowByte.FRONT_END);
}

/** The first data counts as the first write. */
function admitData(arena: Arena, row: number, slot: number, m: Message): void {
  const { words, floats } = arena;
  assert(m.bodyLength <= arena.dataBytesMax, 'the first data is within its limit');
  copyWords(m.bodyWords, m.bodyWord, words, arena.dataAt(slot), m.bodyLength);
  words[row + Row.DATA_LENGTH] = m.bodyLength;
  floats[(row + Row.VERSION) >> 1] = 1;
}
