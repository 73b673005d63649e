/**
 * Pinning: while a request executes on a session, neither eviction nor expiry touches it. And the
 * route: the connection that a session last spoke on.
 */
import { assert } from './assert.ts';
import { Header, Row, RowByte, RowFlag } from './layout.ts';
import { Kind, type Message } from './message.ts';

/** The flags that pinning sets. */
const EXECUTION = RowFlag.EXECUTING | RowFlag.CALL;

/** Pins the session in a row for a message that `runner` executes. */
export function pinRow(words: Int32Array, row: number, m: Message, runner: number): void {
  const flags = words[row + Row.FLAGS];
  assert((flags & RowFlag.EXECUTING) === 0, 'one request executes at a time');
  const isCall = m.kind === Kind.CALL;
  words[row + Row.EXECUTING_LOW] = isCall ? m.request : m.checksumLow;
  words[row + Row.EXECUTING_HIGH] = m.checksumHigh;
  words[row + Row.TOKEN] = m.token;
  words[row + Row.FLAGS] =
    (flags & 0xffff) |
    (isCall ? RowFlag.EXECUTING | RowFlag.CALL : RowFlag.EXECUTING) |
    (m.frontEnd << RowByte.FRONT_END) |
    (runner << RowByte.RUNNER);
  words[Header.PINS] = (words[Header.PINS] + 1) | 0;
  words[row + Row.PIN] = words[Header.PINS];
  words[Header.EXECUTING] += 1;
}

/** Unpins it as it was before. */
export function unpinRow(words: Int32Array, row: number): void {
  assert((words[row + Row.FLAGS] & RowFlag.EXECUTING) !== 0, 'only what executes is aborted');
  words[row + Row.FLAGS] &= ~(EXECUTION | (RowByte.MASK << RowByte.RUNNER));
  words[Header.EXECUTING] -= 1;
}

/** What is to be told about the session in a row goes to whoever sent this message. */
export function routeRow(words: Int32Array, row: number, m: Message): void {
  words[row + Row.TOKEN] = m.token;
  words[row + Row.FLAGS] =
    (words[row + Row.FLAGS] & ~(RowByte.MASK << RowByte.FRONT_END)) |
    (m.frontEnd << RowByte.FRONT_END);
}
