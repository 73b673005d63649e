/** The built-in service over decoded values, as simply as it can be said: a model for tests. */
import type { StatusName } from '../../src/core/codes.ts';

type Data = Record<string, unknown>;

interface Result {
  readonly status: StatusName;
  /** Undefined: a text that says what is wrong. */
  readonly body: unknown;
}

export interface ModelState {
  version: number;
  ttlMs: number | null;
  data: Data;
}

const INVALID: Result = { status: 'invalid_body', body: undefined };

const isMap = (value: unknown): value is Data =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTtl = (value: unknown) =>
  value === null || (Number.isInteger(value) && Number(value) >= 1 && Number(value) < 2 ** 32 - 1);

/** Runs one operation on the state; a write sets the version to the one given. */
function runOne(state: ModelState, name: string, body: unknown, version: number): Result {
  const write = (data: Data): Result => {
    state.data = data;
    state.version = version;
    return { status: 'ok', body: version };
  };
  if (name === 'echo') return { status: 'ok', body };
  if (name === 'get' || name === 'peek') {
    return body === null ? { status: 'ok', body: [state.version, { ...state.data }] } : INVALID;
  }
  if (name === 'touch') return body === null ? { status: 'ok', body: null } : INVALID;
  if (name === 'put') return isMap(body) ? write(body) : INVALID;
  if (name === 'set_ttl') {
    if (!isTtl(body)) return INVALID;
    state.ttlMs = body as number | null;
    return { status: 'ok', body: null };
  }
  if (name === 'merge') {
    if (!isMap(body)) return INVALID;
    const merged = Object.entries({ ...state.data, ...body });
    const kept = merged.filter(([key]) => !Object.hasOwn(body, key) || body[key] !== null);
    return write(Object.fromEntries(kept));
  }
  if (!Array.isArray(body) || body.length !== 2) return INVALID;
  if (name === 'put_if') {
    if (!Number.isSafeInteger(body[0]) || body[0] < 0 || !isMap(body[1])) return INVALID;
    if (body[0] !== state.version) return { status: 'conflict', body: state.version };
    return write(body[1]);
  }
  if (name !== 'increment' || typeof body[0] !== 'string') return INVALID;
  const value = Object.hasOwn(state.data, body[0]) ? state.data[body[0]] : 0;
  if (typeof value !== 'number' || typeof body[1] !== 'number') return INVALID;
  write({ ...state.data, [body[0]]: value + body[1] });
  return { status: 'ok', body: value + body[1] };
}

const NAMES = 'echo get put put_if merge increment info touch set_ttl - peek'.split(' ');

/** Runs an operation of its own, or a batch, and commits it. */
export function runModel(state: ModelState, name: string, body: unknown): Result {
  const version = state.version + 1;
  if (name !== 'batch') return runOne(state, name, body, version);
  if (!Array.isArray(body) || body.length > 64) return INVALID;
  const staged = { ...state };
  const results: unknown[] = [];
  for (const [index, part] of body.entries()) {
    const [operation, argument] = Array.isArray(part) && part.length === 2 ? part : ['-', null];
    const named = typeof operation === 'number' ? (NAMES[operation] ?? '-') : operation;
    const result = runOne(staged, named, argument, version);
    if (result.status !== 'ok') return { status: result.status, body: [index, result.body] };
    results.push(result.body);
  }
  Object.assign(state, staged);
  return { status: 'ok', body: results };
}
