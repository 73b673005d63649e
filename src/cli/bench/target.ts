/**
 * What each request asks: an operation of the server, and a body that suits it.
 */
import { InvalidOptionError } from '../../core/errors.ts';
import { encodeValue } from '../../services/values.ts';
import type { Welcome } from '../../transport/client/welcome.ts';
import { frameBytesOf } from './request-frames.ts';
import { seededBytes } from './seed.ts';

const OPERATION_MAX = 255;

/** The requests in flight of one connection are laid out at once; more would be a mistake. */
const BATCH_BYTES_MAX = 256 * 1024 * 1024;

export interface Target {
  readonly name: string;
  readonly operation: number;
  /** As msgpack. */
  readonly body: Buffer;
}

export interface TargetOptions {
  /** Name or number. */
  readonly operation: string;
  /** Bytes of the payload in the body. */
  readonly size: number;
  /** The whole body, in place of one that is made here; undefined = make one. */
  readonly body: unknown;
  readonly seed: string;
}

/** @throws InvalidOptionError when the server has no such operation, or would refuse the body */
export function targetOf(options: TargetOptions, welcome: Welcome): Target {
  const { name, operation } = operationOf(options.operation, welcome);
  const body = Buffer.from(
    encodeValue(options.body === undefined ? made(name, options) : options.body),
  );
  const { bodyBytesMax, frameBytesMax } = welcome.limits;
  if (body.byteLength > Math.min(bodyBytesMax, frameBytesMax)) {
    throw new InvalidOptionError(
      '--size',
      options.size,
      `so small that the body has at most ${bodyBytesMax} bytes; it has ${body.byteLength}`,
    );
  }
  return { name, operation, body };
}

/** @throws InvalidOptionError when so many requests would take too much memory */
export function checkBatch(target: Target, inFlight: number): void {
  const most = Math.floor(BATCH_BYTES_MAX / frameBytesOf(target));
  if (inFlight > most) {
    throw new InvalidOptionError('-P', inFlight, `at most ${most} with a body of this size`);
  }
}

function operationOf(given: string, welcome: Welcome): { name: string; operation: number } {
  const known = welcome.operations.get(given);
  if (known !== undefined) return { name: given, operation: known };
  const number = Number(given);
  if (/^\d+$/.test(given) && number <= OPERATION_MAX) {
    const named = [...welcome.operations].find(([, one]) => one === number);
    return { name: named?.[0] ?? given, operation: number };
  }
  const names = [...welcome.operations.keys()].join(', ');
  throw new InvalidOptionError('--operation', given, `one of ${names}, or a number up to 255`);
}

/** A body that the operation of session data of that name takes. */
function made(name: string, { size, seed }: TargetOptions): unknown {
  const payload = seededBytes(seed, 'body', size);
  switch (name) {
    case 'get':
    case 'peek':
    case 'info':
    case 'touch':
      return null;
    case 'put':
    case 'merge':
      return { value: payload };
    case 'increment':
      return ['count', 1];
    case 'set_ttl':
      return 3_600_000;
    case 'batch':
      return [
        ['merge', { value: payload }],
        ['increment', ['count', 1]],
      ];
    default:
      return payload;
  }
}
