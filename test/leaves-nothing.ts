/**
 * Files that share a process must leave it as they found it. This looks at what a test can change
 * there and others would notice, and fails the file that did not put it back.
 */
import { afterAll, beforeAll, expect } from 'vitest';

/** What tests replace by a spy or by a clock of their own. */
const REPLACED: [object, string[]][] = [
  [globalThis, ['setTimeout', 'clearTimeout', 'setInterval', 'setImmediate', 'Date', 'fetch']],
  [performance, ['now']],
  [Atomics, ['load', 'store', 'notify', 'wait', 'compareExchange']],
  [process, ['emitWarning', 'exit', 'kill', 'nextTick']],
];

const functions = (): unknown[] =>
  REPLACED.flatMap(([holder, names]) => names.map((name) => Reflect.get(holder, name)));

function stateOfProcess() {
  const listeners = process.eventNames().map((name) => [name, process.listenerCount(name)]);
  return { listeners, environment: { ...process.env }, folder: process.cwd() };
}

let before: ReturnType<typeof stateOfProcess>;
let functionsBefore: unknown[];

beforeAll(() => {
  before = stateOfProcess();
  functionsBefore = functions();
});

afterAll(() => {
  expect(stateOfProcess()).toEqual(before);
  const replaced = functions().filter((value, index) => value !== functionsBefore[index]);
  expect(replaced, 'functions that were not put back').toEqual([]);
});
