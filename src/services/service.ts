/**
 * What a service is: the named operations that requests execute.
 *
 * A service's state lives in each session's data, so that journal and replicas carry it without
 * knowing the service. It never sees the wire, the rings or the table.
 */
import type { ReasonName } from '../core/codes.ts';
import { InvalidOptionError } from '../core/errors.ts';
import type { ServiceContext } from './context.ts';

/** Operation numbers are one byte; a service with more operations wants sub-operations. */
const OPERATIONS_MAX = 256;

export interface Operation {
  /** The number that requests carry, 0 to 255, unique in the service; never reuse an old one. */
  readonly number: number;
  /** May also be run by a `call`, which has no request number and no stored reply. */
  readonly unsequenced?: boolean;
  /** Leaves the session's data as it is. A call may run it while a request executes. */
  readonly readOnly?: boolean;
  /**
   * Executes one request: reads `context.body` and `context.data`, may replace the data, and
   * replies. May return a promise unless the service is portable; the session is pinned until it
   * settles. What it throws becomes a reply with status `failed`, its data changes dropped.
   */
  execute(context: ServiceContext): void | Promise<void>;
}

/** Who a hook is about. */
export interface SessionIdentity {
  /** The client id, 32 hexadecimal digits. */
  readonly id: string;
  readonly session: number;
}

export interface Service {
  readonly name: string;
  /**
   * All state is the session's data and every operation is synchronous, so any thread may run it.
   * Portable services are much faster: a request needs no hop to its shard's worker.
   */
  readonly portable?: boolean;
  readonly operations: Readonly<Record<string, Operation>>;
  /** A session was registered (not: resumed). Must not throw or wait. */
  opened?(session: SessionIdentity): void;
  /** A session ended. Must not throw or wait. */
  ended?(session: SessionIdentity, reason: ReasonName): void;
}

/** A service whose declaration was checked, with its operations by number. */
export interface CheckedService {
  readonly service: Service;
  readonly portable: boolean;
  readonly byNumber: readonly (Operation | undefined)[];
  /** Name → number, as `welcome` lists them. */
  readonly names: Readonly<Record<string, number>>;
}

/** Checks a service's declaration. Throws `InvalidOptionError` that names what is wrong. */
export function checkService(service: unknown): CheckedService {
  if (typeof service !== 'object' || service === null) {
    throw new InvalidOptionError('service', service, 'an object with a name and operations');
  }
  const { name, operations, portable } = service as Partial<Service>;
  if (typeof name !== 'string' || name === '') {
    throw new InvalidOptionError('service.name', name, 'a string that is not empty');
  }
  if (typeof operations !== 'object' || operations === null) {
    throw new InvalidOptionError('service.operations', operations, 'an object of operations');
  }
  for (const hook of ['opened', 'ended'] as const) {
    const given = (service as Partial<Service>)[hook];
    if (given !== undefined && typeof given !== 'function') {
      throw new InvalidOptionError(`service.${hook}`, given, 'a function');
    }
  }
  const byNumber = new Array<Operation | undefined>(OPERATIONS_MAX).fill(undefined);
  const names: Record<string, number> = {};
  for (const [key, operation] of Object.entries(operations)) {
    checkOperation(key, operation, byNumber);
    byNumber[operation.number] = operation;
    names[key] = operation.number;
  }
  return { service: service as Service, portable: portable === true, byNumber, names };
}

function checkOperation(
  key: string,
  operation: Operation,
  byNumber: readonly (Operation | undefined)[],
): void {
  const option = `service.operations.${key}`;
  if (typeof operation?.execute !== 'function') {
    throw new InvalidOptionError(`${option}.execute`, operation?.execute, 'a function');
  }
  const { number } = operation;
  if (!Number.isInteger(number) || number < 0 || number >= OPERATIONS_MAX) {
    throw new InvalidOptionError(`${option}.number`, number, 'a whole number from 0 to 255');
  }
  if (byNumber[number] !== undefined) {
    throw new InvalidOptionError(`${option}.number`, number, 'used by one operation only');
  }
}
