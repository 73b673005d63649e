/** Lines to a descriptor: whole, in order, and never in the way. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LineOutput, UNWRITTEN_BYTES_MAX } from '../../src/cli/line-output.ts';

type Written = (error: NodeJS.ErrnoException | null, bytes: number) => void;

/** What the output is told of each write, in turn; a number is how many bytes were taken. */
class Descriptor {
  text = '';
  writes = 0;
  lost: number[] = [];
  #answer: (() => void) | undefined;
  readonly output = new LineOutput(
    9,
    (lines) => {
      this.lost.push(lines);
      this.output.write(`lost ${lines}\n`);
    },
    (_descriptor, bytes: Buffer, written: Written) => {
      this.writes += 1;
      expect(this.#answer).toBe(undefined);
      this.#answer = () => {
        const outcome = this.outcomes.shift() ?? bytes.length;
        const isCode = typeof outcome === 'string';
        const taken = isCode ? 0 : Math.min(outcome, bytes.length);
        this.text += bytes.subarray(0, taken).toString();
        written(isCode ? Object.assign(new Error(), { code: outcome }) : null, taken);
      };
    },
  );

  constructor(readonly outcomes: (number | string)[] = []) {}

  /** Lets writes come to their outcomes until none is under way. */
  settle(): void {
    for (let answer = this.#answer; answer !== undefined; answer = this.#answer) {
      this.#answer = undefined;
      answer();
    }
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i} é\n`);

test('a burst is written in order and whole, one write at a time, whatever a write takes', () => {
  const descriptor = new Descriptor([3, 1, 0, 500, 'EAGAIN', 10_000, 7]);
  for (const line of lines(0, 1_000)) descriptor.output.write(line);
  descriptor.settle();
  for (const line of lines(1_000, 2_000)) descriptor.output.write(line);
  descriptor.settle();
  expect(vi.getTimerCount()).toBe(1);
  vi.runAllTimers();
  descriptor.settle();
  expect(descriptor.text).toBe(lines(0, 2_000).join(''));
  expect(descriptor.writes).toBeLessThan(15);
  expect(descriptor.lost).toEqual([]);
});

test('an error costs the lines that wait; a line tells how many once it goes again', () => {
  const descriptor = new Descriptor([4, 'ENOSPC', 'EIO']);
  for (const line of lines(0, 3)) descriptor.output.write(line);
  descriptor.settle();
  for (const line of lines(3, 5)) descriptor.output.write(line);
  descriptor.settle();
  expect(descriptor.text).toBe('line');
  descriptor.output.write('at last\n');
  descriptor.settle();
  expect(descriptor.text).toBe('line\nat last\nlost 5\n');
  expect(vi.getTimerCount()).toBe(0);
});

test('beyond its bound it drops lines, and tells how many', () => {
  const descriptor = new Descriptor(['EAGAIN']);
  const line = `${'x'.repeat(1023)}\n`;
  for (let i = 0; i < UNWRITTEN_BYTES_MAX / 1024 + 5; i++) descriptor.output.write(line);
  descriptor.settle();
  vi.runAllTimers();
  descriptor.settle();
  expect(descriptor.lost).toEqual([5]);
  expect(descriptor.text).toBe(`${line.repeat(UNWRITTEN_BYTES_MAX / 1024)}lost 5\n`);
});
