/** What tests of the operator's HTTP share: requests with any headers, and a reader of metrics. */
import { request } from 'node:http';
import type { Address } from '../../dist/transport/server.js';

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** One request on a connection of its own. */
export function ask(address: Address, path: string, asked: Asked = {}): Promise<Answer> {
  const { port } = address;
  const { method = 'GET', headers = {}, body } = asked;
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false };
    const sent = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** The same, and its JSON. */
export async function asJson(address: Address, path: string, asked?: Asked): Promise<unknown> {
  return JSON.parse((await ask(address, path, asked)).text);
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([^\s{]+)(?:\{([^}]*)\})? (\S+)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"$/;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};

/**
 * Reads the text format of Prometheus, strictly: each sample has its family's HELP and TYPE before
 * it, and a name of that type. Samples by name and labels, as they are written.
 */
export function readMetrics(text: string): Map<string, number> {
  if (!text.endsWith('\n')) throw new Error('the text ends with a line');
  const samples = new Map<string, number>();
  const helps = new Set<string>();
  const types = new Map<string, string>();
  let family = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, what, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (what === 'HELP') helps.add(name);
    if (what === 'TYPE') {
      const isNew = NAME.test(name) && helps.has(name) && !types.has(name) && rest in SUFFIXES;
      if (!isNew) throw new Error(`no family: ${line}`);
      types.set(name, rest);
      family = name;
    }
    if (what !== undefined) continue;
    const [, sample, labels, value] = SAMPLE.exec(line) ?? [];
    const suffix = sample?.slice(family.length);
    const isOfFamily = sample?.startsWith(family) && SUFFIXES[types.get(family)!].includes(suffix);
    if (!isOfFamily || Number.isNaN(Number(value))) throw new Error(`no sample: ${line}`);
    for (const label of labels?.split(',') ?? []) {
      if (!LABEL.test(label)) throw new Error(`no label: ${line}`);
    }
    const key = labels === undefined ? sample : `${sample}{${labels}}`;
    if (samples.has(key)) throw new Error(`twice: ${line}`);
    samples.set(key, Number(value));
  }
  return samples;
}

/** The buckets of a histogram: each bound in seconds, and how many lie below it. */
export function bucketsOf(samples: ReadonlyMap<string, number>, name: string): [number, number][] {
  const bounds: [number, number][] = [];
  for (const [key, value] of samples) {
    const le = new RegExp(`^${name}_bucket\\{le="(.+)"\\}$`).exec(key)?.[1];
    if (le !== undefined)
      bounds.push([le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value]);
  }
  return bounds;
}
