/**
 * Live sessions as people read them, and as `--json` prints them.
 */
import type { SessionDetails, SessionEntry } from '../../transport/client/answers.ts';
import { snakeCased } from '../../transport/wire-names.ts';
import { columns } from '../terminal/columns.ts';
import { count, size, span } from '../terminal/figures.ts';
import type { Style } from '../terminal/style.ts';

/** A session, or a page of them, on one line. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(snakeCased(value));
}

const HEADER = ['id', 'idle', 'age', 'expires', 'requests', 'data', ''];

/** A line for each session, below a header. */
export function sessionTable(
  sessions: readonly SessionEntry[],
  nowMs: number,
  { dim }: Style,
): string[] {
  const rows = sessions.map((one) => [
    one.id,
    span(one.idleMs),
    ageOf(one, nowMs),
    expiryOf(one),
    count(one.request),
    size(one.dataBytes),
    notesOn(one),
  ]);
  const sides = ['left', 'right', 'right', 'right', 'right', 'right', 'left'] as const;
  const [header, ...lines] = columns([HEADER, ...rows], sides);
  return [dim(header), ...lines];
}

/** A line for each thing known of a session. */
export function detailLines(one: SessionDetails, nowMs: number, { bold, dim }: Style): string[] {
  const { rate, capabilities } = one;
  const rows = [
    ['session', String(one.session)],
    ['registered', `${instant(one.createdMs)}, ${ageOf(one, nowMs)} ago`],
    ['last activity', `${instant(one.lastActivityMs)}, ${span(one.idleMs)} ago`],
    ['time to live', one.ttlMs === null ? 'for ever' : `${span(one.ttlMs)} idle`],
    ['expires', one.expiresInMs === null ? 'never' : `in ${span(one.expiresInMs)}`],
    ['last request', count(one.request)],
    ['data', `${size(one.dataBytes)}, version ${count(one.version)}`],
    [
      'rate limit',
      rate === null ? 'none' : `${count(rate.perSecond)}/s, ${count(rate.burst)} at once`,
    ],
    ['capabilities', capabilities.length === 0 ? 'none' : capabilities.join(', ')],
    ['executing', one.executing ? 'yes' : 'no'],
    ['ends with its connection', one.connectionScoped ? 'yes' : 'no'],
  ];
  const named = rows.map(([name, value]) => [dim(name), value]);
  return [bold(one.id), ...columns(named, ['left', 'left']).map((line) => `  ${line}`)];
}

function notesOn({ executing, connectionScoped }: SessionEntry): string {
  const notes = [executing ? 'executing' : '', connectionScoped ? 'ends with connection' : ''];
  return notes.filter((note) => note !== '').join(', ');
}

/** The two sides' clocks may differ. */
function ageOf({ createdMs }: SessionEntry, nowMs: number): string {
  return span(Math.max(0, nowMs - createdMs));
}

function expiryOf({ expiresInMs }: SessionEntry): string {
  return expiresInMs === null ? 'never' : `in ${span(expiresInMs)}`;
}

/** Seconds are enough, in the time of the whole world. */
function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
