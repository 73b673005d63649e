/**
 * Who speaks on a connection, what they may do, and until when. On a server without tokens that is
 * nobody in particular, who may do everything.
 */
import type { Principal } from '../security/authenticator.ts';
import { principalWords } from '../security/principal.ts';

/** The longest that Node's timers can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const NEEDS_CLIENT = 'only a token with the role client speaks for sessions';
export const NEEDS_OPERATOR = 'only a token with the role operator may do this';

export class Bearer {
  /** Undefined before it is known, and without tokens. */
  principal: Principal | undefined;
  /** What sessions remember of the principal; two zeros without one. */
  low = 0;
  high = 0;
  isClient = true;
  isOperator = true;
  #timer: NodeJS.Timeout | undefined;

  /** @param expired called once, when the token stops being good */
  accept(principal: Principal, expired: () => void): void {
    const { low, high } = principalWords(principal.name);
    this.principal = principal;
    this.low = low;
    this.high = high;
    this.isClient = principal.roles.has('client');
    this.isOperator = principal.roles.has('operator');
    const { expiresAtMs } = principal;
    if (expiresAtMs !== undefined) this.#wait(expiresAtMs, expired);
  }

  /** The connection has gone. */
  end(): void {
    clearTimeout(this.#timer);
  }

  #wait(untilMs: number, expired: () => void): void {
    const leftMs = untilMs - Date.now();
    if (leftMs <= 0) return expired();
    this.#timer = setTimeout(() => this.#wait(untilMs, expired), Math.min(leftMs, TIMER_MS_MAX));
  }
}
