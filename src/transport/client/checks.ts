/** What can be refused here with certainty, without asking the server. */
import { integerOption } from '../../core/errors.ts';
import { RefusedError } from '../../core/session-errors.ts';
import { encodeValue } from '../../services/values.ts';
import type { Welcome } from './welcome.ts';

const OPERATION_MAX = 2 ** 32 - 1;

/**
 * The number of a service's operation, given by name or by number.
 *
 * @throws RefusedError `unknown_operation` when the service has none of that name
 */
export function operationNumber(welcome: Welcome, operation: string | number): number {
  if (typeof operation !== 'string') return integerOption('operation', operation, 0, OPERATION_MAX);
  const number = welcome.operations.get(operation);
  if (number !== undefined) return number;
  const known = [...welcome.operations.keys()];
  const message = `the service has no operation ${JSON.stringify(operation.slice(0, 64))}`;
  throw new RefusedError('unknown_operation', message, { operation, known });
}

/**
 * A body as msgpack.
 *
 * @throws RefusedError `body_too_large` when it has more bytes than the server takes
 * @throws InvalidOptionError when msgpack cannot carry it
 */
export function limitedBody(welcome: Welcome, value: unknown): Uint8Array {
  const bytes = encodeValue(value);
  limitBytes('the body', bytes.byteLength, welcome.limits.bodyBytesMax);
  return bytes;
}

/** Refuses a frame for which the server would close the connection. */
export function limitFrame(welcome: Welcome, frame: Uint8Array): void {
  limitBytes('the frame', frame.byteLength, welcome.limits.frameBytesMax);
}

function limitBytes(what: string, bytes: number, limit: number): void {
  if (bytes <= limit) return;
  const message = `${what} has ${bytes} bytes; the server takes at most ${limit}`;
  throw new RefusedError('body_too_large', message, { bytes, limit });
}
