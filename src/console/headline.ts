/**
 * What the server does, in one sentence: what a person would say who looked at all the figures.
 * Trouble comes first, because whoever reads it should see that first.
 */
import type { Difference } from './differences.ts';
import { counted, microseconds, perSecond, whole } from './format.ts';
import type { Status } from './status.ts';

/** A piece of the sentence: plain, a figure, or something that needs somebody. */
export interface Phrase {
  readonly text: string;
  readonly kind: 'plain' | 'figure' | 'trouble';
}

/** @param recent the last few seconds, so that the sentence does not flicker */
export function headline(status: Status, recent: Difference): Phrase[] {
  const phrases = new Phrases();
  trouble(status, phrases);
  serving(status, recent, phrases);
  phrases.plain('; ').figure(whole(status.sessions));
  phrases.plain(' of ').figure(whole(status.sessions_max));
  phrases.plain(' sessions live');
  if (recent.rates.evicted > 0) {
    phrases.plain(', ').figure(perSecond(recent.rates.evicted));
    phrases.plain('\u00a0a\u00a0second evicted to make room');
  }
  if (recent.p99Us !== null) phrases.plain('; p99\u00a0').figure(microseconds(recent.p99Us));
  const refused = recent.rates.errors;
  if (refused > 0) phrases.plain('; ').trouble(`${perSecond(refused)} a second refused`);
  else phrases.plain('; nothing refused');
  return phrases.plain('.').list;
}

function serving(status: Status, { servedPerS }: Difference, phrases: Phrases): void {
  const { connections } = status.front_end;
  const from = counted(connections, 'connection', 'connections');
  if (servedPerS > 0) {
    phrases.plain('Serving ').figure(perSecond(servedPerS));
    phrases.plain(' requests a second from ').figure(from);
  } else if (connections > 0) {
    phrases.plain('No requests now from ').figure(from);
  } else {
    phrases.plain('Waiting for clients: no connections');
  }
}

/** Only a journal can fail while the server still answers. */
function trouble(status: Status, phrases: Phrases): void {
  for (const { shard, journal } of status.shards) {
    if (journal === null || journal.state === 'ok') continue;
    const what = journal.state === 'full' ? 'is full' : 'cannot be written';
    phrases.trouble(`The journal of shard ${shard} ${what}.`).plain(' ');
  }
}

export function sentence(phrases: readonly Phrase[]): string {
  return phrases.map(({ text }) => text).join('');
}

class Phrases {
  readonly list: Phrase[] = [];

  plain(text: string): this {
    this.list.push({ text, kind: 'plain' });
    return this;
  }

  figure(text: string): this {
    this.list.push({ text, kind: 'figure' });
    return this;
  }

  trouble(text: string): this {
    this.list.push({ text, kind: 'trouble' });
    return this;
  }
}
