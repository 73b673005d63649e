/**
 * What a service is: the named operations that requests execute.
 *
 * A service's state lives in each session's data, so that journal and replicas carry it without
 * knowing the service. It never sees the wire, the rings or the table.
 */
import type { ReasonName } from '../core/codes.ts';
import { InvalidOptionError } from '../core/errors.ts';
import { CAPABILITIES_MAX, RATE_BURST_MAX } from '../core/limits.ts';
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
  /** false: running it leaves the session's idle time as it is. Default true. */
  readonly touches?: boolean;
  /** What it takes from the session's rate limit, a whole number; default 1. */
  readonly cost?: number;
  /** Only sessions that were granted this capability may run it; others get `forbidden`. */
  readonly capability?: string;
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
  /** What a client may ask for at register; a session is granted those that it names. */
  readonly capabilities?: readonly string[];
  /** A register may bring the session's first data. Only where data is the client's own. */
  readonly initialData?: boolean;
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
  /** The capabilities that it offers; the index of each is its bit. */
  readonly capabilities: readonly string[];
  /** By operation number: the bit of the capability that it needs, or 0. */
  readonly needs: readonly number[];
  /** Takes what a hook threw; left out, it becomes a warning of the process. */
  readonly hookFailed?: (error: unknown) => void;
}

/** The names of the capabilities whose bits are set. */
export function namesOf(bits: number, names: readonly string[]): string[] {
  return names.filter((_, index) => (bits & (1 << index)) !== 0);
}

/** The bits of those names that are offered. */
export function bitsOf(asked: readonly string[], offered: readonly string[]): number {
  let bits = 0;
  for (const name of asked) {
    const index = offered.indexOf(name);
    if (index >= 0) bits |= 1 << index;
  }
  return bits;
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
  const capabilities = checkCapabilities((service as Partial<Service>).capabilities ?? []);
  const byNumber = new Array<Operation | undefined>(OPERATIONS_MAX).fill(undefined);
  const needs = new Array<number>(OPERATIONS_MAX).fill(0);
  const names: Record<string, number> = {};
  for (const [key, operation] of Object.entries(operations)) {
    checkOperation(key, operation, byNumber);
    byNumber[operation.number] = operation;
    needs[operation.number] = neededBit(key, operation, capabilities);
    names[key] = operation.number;
  }
  const checked = service as Service;
  return { service: checked, portable: portable === true, byNumber, names, capabilities, needs };
}

function checkCapabilities(given: unknown): readonly string[] {
  // A copy shows what is missing in an array as undefined.
  const isName = (name: unknown) => typeof name === 'string' && name !== '';
  const isList = Array.isArray(given) && [...given].every(isName);
  if (!isList || given.length > CAPABILITIES_MAX || new Set(given).size !== given.length) {
    const allowed = `at most ${CAPABILITIES_MAX} different names`;
    throw new InvalidOptionError('service.capabilities', given, allowed);
  }
  return given as readonly string[];
}

function neededBit(key: string, operation: Operation, offered: readonly string[]): number {
  if (operation.capability === undefined) return 0;
  const index = offered.indexOf(operation.capability);
  if (index >= 0) return 1 << index;
  const option = `service.operations.${key}.capability`;
  throw new InvalidOptionError(option, operation.capability, "one of the service's capabilities");
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
  const { number, cost } = operation;
  if (cost !== undefined && !(Number.isInteger(cost) && cost >= 0 && cost <= RATE_BURST_MAX)) {
    throw new InvalidOptionError(`${option}.cost`, cost, `a whole number up to ${RATE_BURST_MAX}`);
  }
  if (!Number.isInteger(number) || number < 0 || number >= OPERATIONS_MAX) {
    throw new InvalidOptionError(`${option}.number`, number, 'a whole number from 0 to 255');
  }
  if (byNumber[number] !== undefined) {
    throw new InvalidOptionError(`${option}.number`, number, 'used by one operation only');
  }
}
