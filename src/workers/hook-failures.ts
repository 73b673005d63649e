/**
 * What a worker's thread tells of hooks of its service that threw: the first at once, those that
 * follow within a second as a number, so that a hook that always throws costs a message a second.
 */
import { failureText } from '../services/context.ts';

const TELL_MS = 1_000;

/** What the thread posts; services may post what they like, so it is told by its key. */
export interface HookFailureMessage {
  readonly sessileHookFailed: string;
  readonly count: number;
}

export class HookFailures {
  readonly #post: (message: HookFailureMessage) => void;
  #count = 0;
  #text = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(post: (message: HookFailureMessage) => void) {
    this.#post = post;
  }

  readonly note = (error: unknown): void => {
    this.#count += 1;
    this.#text = failureText(error);
    if (this.#timer === undefined) this.#tell();
  };

  readonly #tell = (): void => {
    this.#timer = undefined;
    if (this.#count === 0) return;
    this.#post({ sessileHookFailed: this.#text, count: this.#count });
    this.#count = 0;
    this.#timer = setTimeout(this.#tell, TELL_MS).unref();
  };
}

/** Whether a message from a thread is one of these. */
export function isHookFailure(message: unknown): message is HookFailureMessage {
  if (typeof message !== 'object' || message === null) return false;
  const { sessileHookFailed, count } = message as Partial<HookFailureMessage>;
  return typeof sessileHookFailed === 'string' && Number.isInteger(count);
}
