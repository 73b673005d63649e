/**
 * The root of every error that sessile throws to its callers: a stable `code` to branch on, a
 * message that says what was wrong and what to do, and the offending value in `details`.
 */
export class SessileError extends Error {
  override readonly name: string = 'SessileError';

  constructor(
    readonly code: string,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

/** An option that is out of its range or of the wrong type. Nothing was started or changed. */
export class InvalidOptionError extends SessileError {
  override readonly name = 'InvalidOptionError';

  /** @param others the options that `expected` names, for who calls them otherwise */
  constructor(
    readonly option: string,
    readonly value: unknown,
    readonly expected: string,
    readonly others: readonly string[] = [],
  ) {
    super('invalid_options', `${option} is ${describe(value)}; it must be ${expected}`, {
      option,
      value,
      expected,
    });
  }

  /** The message where options go by other names: flags, to people at a terminal. */
  textWith(nameOf: (option: string) => string): string {
    let { expected } = this;
    for (const other of this.others) {
      expected = expected.replace(new RegExp(`\\b${other}\\b`), () => nameOf(other));
    }
    const state = this.value === undefined ? 'missing' : describe(this.value);
    return `${nameOf(this.option)} is ${state}; it must be ${expected}`;
  }
}

/** What a log holds cannot be right. `details` says where, once that is known. */
export class CorruptLogError extends SessileError {
  override readonly name = 'CorruptLogError';

  constructor(what: string, details: Readonly<Record<string, unknown>> = {}) {
    super('storage_corrupt', what, details);
  }
}

/** Characters of a text that a message repeats: a path fits, and a line stays a line. */
const TEXT_SHOWN_MAX = 256;

function describe(value: unknown): string {
  if (typeof value === 'string') {
    const isCut = value.length > TEXT_SHOWN_MAX;
    return isCut ? `${JSON.stringify(value.slice(0, TEXT_SHOWN_MAX))}…` : JSON.stringify(value);
  }
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (typeof value === 'object' && value !== null) {
    // A caller's own field of that name may be anything.
    const name: unknown = value.constructor?.name;
    return `a ${typeof name === 'string' && name !== '' ? name : 'object'}`;
  }
  return String(value);
}

/** Checks that an option is a whole number within its limits, and returns it. */
export function integerOption(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new InvalidOptionError(name, value, `a whole number from ${min} to ${max}`);
  }
  return value;
}
