/**
 * What the operator's HTTP offers: each path with its methods. A handler gives a body, or throws.
 */
import type { IncomingMessage } from 'node:http';
import { CLIENT_ID_BYTES } from '../core/client-id.ts';
import { InvalidOptionError } from '../core/errors.ts';
import { snakeCased } from '../transport/wire-names.ts';
import type { ListQuery, Operator, SessionDetails, SessionEntry } from '../workers/operator.ts';
import type { Asset } from './assets.ts';
import type { Guard } from './guard.ts';
import { HISTORY_COLUMNS, type History } from './history.ts';
import { HISTORY_INTERVAL_MS } from './limits.ts';
import type { Metrics } from './metrics.ts';
import { Refusal } from './refusal.ts';

/** What the routes are about. */
export interface Operated {
  readonly operator: Operator;
  readonly metrics: Metrics;
  readonly history: History;
  readonly assets: ReadonlyMap<string, Asset>;
  readonly guard: Guard;
  /** Whether the engine has not failed. */
  isAlive(): boolean;
  /** Whether requests are taken now. */
  isReady(): boolean;
}

export interface Result {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  /** Whether a browser may keep it, if it asks whether it is still the same. */
  readonly mayKeep?: boolean;
}

const JSON_TYPE = 'application/json; charset=utf-8';

export function json(value: unknown, status = 200): Result {
  return { status, type: JSON_TYPE, body: JSON.stringify(value) };
}

/** Answers a request that named the right host. Throws what `refusalOf` turns into an answer. */
export async function route(request: IncomingMessage, operated: Operated): Promise<Result> {
  // The base is only there for the parser: what counts is path and query.
  const url = urlOf(request.url ?? '');
  const { pathname } = url;
  // Probes say next to nothing, and those who send them have seldom a certificate.
  if (pathname === '/healthz') return probe(request, operated.isAlive(), 'alive');
  if (pathname === '/readyz') return probe(request, operated.isReady(), 'ready');
  operated.guard.checkCertificate(request);
  const asset = operated.assets.get(pathname);
  if (asset !== undefined) {
    allow(request, 'GET');
    return { status: 200, type: asset.type, body: asset.bytes, mayKeep: true };
  }
  await operated.guard.checkBearer(request);
  const session = /^\/sessions\/([^/]*)$/.exec(pathname);
  if (session !== null) return sessionRoute(request, operated, idOf(session[1]));
  const { operator, history, metrics } = operated;
  switch (pathname) {
    case '/metrics':
      allow(request, 'GET');
      return { status: 200, type: metrics.contentType, body: await metrics.text() };
    case '/status.json':
      allow(request, 'GET');
      return json(snakeCased(operator.status()));
    case '/history.json':
      allow(request, 'GET');
      return json({
        interval_ms: HISTORY_INTERVAL_MS,
        columns: HISTORY_COLUMNS,
        rows: history.rows(),
      });
    case '/sessions.json':
      allow(request, 'GET');
      return json(await listed(operator, url.searchParams));
    case '/sweep':
      allow(request, 'POST');
      operated.guard.checkIntent(request);
      return json({ ended: await operator.sweep() });
    default:
      throw new Refusal(404, 'not_found', 'there is nothing at this path');
  }
}

function urlOf(target: string): URL {
  const text = `http://operator${target}`;
  if (target.startsWith('/') && URL.canParse(text)) return new URL(text);
  throw new Refusal(400, 'malformed_request', 'the target is no path');
}

/** Throws unless the method is one of those. Who may GET may ask for the head alone. */
function allow(request: IncomingMessage, ...methods: readonly string[]): void {
  const { method = '' } = request;
  const allowed = methods.includes('GET') ? ['HEAD', ...methods] : methods;
  if (allowed.includes(method)) return;
  const headers = { allow: allowed.join(', ') };
  throw new Refusal(405, 'wrong_method', `use ${methods.join(' or ')}`, headers);
}

function probe(request: IncomingMessage, holds: boolean, what: string): Result {
  allow(request, 'GET');
  return json({ [what]: holds }, holds ? 200 : 503);
}

async function sessionRoute(
  request: IncomingMessage,
  { operator, guard }: Operated,
  id: string,
): Promise<Result> {
  allow(request, 'GET', 'DELETE');
  if (request.method === 'DELETE') {
    guard.checkIntent(request);
    return json({ removed: await operator.remove(id) });
  }
  const found = await operator.inspect(id);
  if (found === null) throw new Refusal(404, 'no_session', 'no session of this id is live');
  return json(detailsOf(found));
}

function idOf(text: string): string {
  if (/^[0-9a-f]+$/i.test(text) && text.length === 2 * CLIENT_ID_BYTES) return text.toLowerCase();
  throw new InvalidOptionError('id', text, 'a client id as 32 hexadecimal digits');
}

/** The names of the filters, and which of them are numbers. */
const FILTERS: Readonly<Record<string, { name: keyof ListQuery; isNumber: boolean }>> = {
  prefix: { name: 'prefix', isNumber: false },
  cursor: { name: 'cursor', isNumber: false },
  limit: { name: 'limit', isNumber: true },
  idle_ms_min: { name: 'idleMsMin', isNumber: true },
  age_ms_min: { name: 'ageMsMin', isNumber: true },
};

async function listed(operator: Operator, parameters: URLSearchParams): Promise<unknown> {
  const query: Record<string, unknown> = {};
  for (const [key, text] of parameters) {
    const filter = Object.hasOwn(FILTERS, key) ? FILTERS[key] : undefined;
    if (filter === undefined) {
      throw new InvalidOptionError(key, text, 'left out: there is no such filter');
    }
    // An empty field of a form counts as left out.
    if (text !== '') query[filter.name] = filter.isNumber ? numberOf(key, text) : text;
  }
  const page = await operator.list(query);
  return { sessions: page.sessions.map(entryOf), cursor: page.cursor };
}

function numberOf(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidOptionError(name, text, 'a whole number');
}

function entryOf(entry: SessionEntry): unknown {
  return snakeCased(entry);
}

function detailsOf(details: SessionDetails): unknown {
  const { rate } = details;
  const pair = rate === null ? null : [rate.perSecond, rate.burst];
  return snakeCased({ ...details, rate: pair });
}
