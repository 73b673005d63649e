/**
 * Assertions that stay on in production. A failed assertion is a programming error: the state can
 * no longer be trusted, so it is thrown through every handler that only knows operating errors.
 */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/**
 * The message is a constant string at every call, so a passing assertion costs one branch and
 * allocates nothing.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}
