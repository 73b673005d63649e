/** Addresses of answers: an answer reaches the sink that its token was given to, or nobody. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Answer } from '../../src/workers/answer.ts';
import { Sinks } from '../../src/workers/sinks.ts';
import { runs } from '../core/helpers.ts';

const SINKS_MAX = 2 ** 16;

class Sink {
  received = 0;

  answer(): void {
    this.received += 1;
  }
}

function deliver(sinks: Sinks, token: number): void {
  const answer = new Answer();
  answer.token = token;
  sinks.deliver(answer);
}

it('an answer reaches the sink of its token and no other', () => {
  const sinks = new Sinks();
  const opened = Array.from({ length: 100 }, () => new Sink());
  const tokens = opened.map((sink) => sinks.open(sink));
  expect(new Set(tokens).size).toBe(100);
  for (const [i, token] of tokens.entries()) for (let n = 0; n < i; n++) deliver(sinks, token);
  expect(opened.map((sink) => sink.received)).toEqual(opened.map((_, i) => i));
});

it('an answer for a closed sink reaches nobody, before or after its place is taken', () => {
  const sinks = new Sinks();
  const first = new Sink();
  const token = sinks.open(first);
  sinks.close(token);
  deliver(sinks, token);
  const second = new Sink();
  const next = sinks.open(second);
  deliver(sinks, token);
  expect([first.received, second.received]).toEqual([0, 0]);
  deliver(sinks, next);
  expect([first.received, second.received]).toEqual([0, 1]);
});

it('a token is a positive int32, whatever happened before', () => {
  const sinks = new Sinks();
  for (let i = 0; i < 70_000; i++) {
    const token = sinks.open(new Sink());
    if (token <= 0 || token !== (token | 0)) throw new Error(`token ${token} of turn ${i}`);
    sinks.close(token);
  }
});

it('70 000 connections, one after another, never get the answers of an earlier one', () => {
  const sinks = new Sinks();
  const tokens = new Set<number>();
  for (let i = 0; i < 70_000; i++) {
    const token = sinks.open(new Sink());
    if (tokens.has(token)) throw new Error(`connection ${i} got the token of an earlier one`);
    tokens.add(token);
    sinks.close(token);
  }
});

it('takes 65 536 sinks and not one more, until one is closed', () => {
  const sinks = new Sinks();
  const tokens: number[] = [];
  for (let i = 0; i < SINKS_MAX; i++) tokens.push(sinks.open(new Sink()));
  expect(new Set(tokens).size).toBe(SINKS_MAX);
  expect(tokens.includes(0)).toBe(false);
  expect(sinks.open(new Sink())).toBe(0);
  for (const token of [tokens[SINKS_MAX - 1], tokens[0]]) {
    sinks.close(token);
    const sink = new Sink();
    const again = sinks.open(sink);
    expect(again).not.toBe(token);
    deliver(sinks, token);
    deliver(sinks, again);
    expect(sink.received).toBe(1);
    expect(sinks.open(new Sink())).toBe(0);
  }
});

it('places are not lost, however many connections come and go', () => {
  const sinks = new Sinks();
  for (let i = 0; i < 2 * SINKS_MAX; i++) sinks.close(sinks.open(new Sink()));
  for (let i = 0; i < SINKS_MAX; i++) expect(sinks.open(new Sink())).not.toBe(0);
  expect(sinks.open(new Sink())).toBe(0);
});

it('a token that was never given reaches nobody', () => {
  const sinks = new Sinks();
  const sink = new Sink();
  const token = sinks.open(sink);
  fc.assert(
    fc.property(fc.integer(), (other) => {
      if (other !== token) deliver(sinks, other);
      expect(sink.received).toBe(0);
    }),
    runs(2_000),
  );
  deliver(sinks, 0);
  expect(sink.received).toBe(0);
});

it('a token is closed once: a second close is refused', () => {
  const sinks = new Sinks();
  const token = sinks.open(new Sink());
  sinks.close(token);
  expect(() => sinks.close(token)).toThrow('closed once');
});

it('the token of an earlier sink does not close the one in its place', () => {
  const sinks = new Sinks();
  const old = sinks.open(new Sink());
  sinks.close(old);
  const sink = new Sink();
  const token = sinks.open(sink);
  expect(() => sinks.close(old)).toThrow('closed once');
  deliver(sinks, token);
  expect(sink.received).toBe(1);
});
