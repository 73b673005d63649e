/**
 * Who speaks: what a token says about its bearer. The client front end asks at hello, the
 * operator's HTTP at each request; how a token is checked is the business of an implementation.
 */
import { SessileError } from '../core/errors.ts';

/** What a bearer may do: speak for sessions of its own, or look at and end everybody's. */
export type Role = 'client' | 'operator';

export interface Principal {
  /** The subject of the token; sessions that it registers are bound to this name. */
  readonly name: string;
  readonly roles: ReadonlySet<Role>;
  /** When the token stops being good, in milliseconds since 1970; undefined = never. */
  readonly expiresAtMs?: number | undefined;
}

export interface Authenticator {
  /**
   * Resolves with who bears the token. Rejects with a `SessileError` of code `unauthorized`, whose
   * text says what is wrong without repeating the token.
   */
  authenticate(token: string | undefined): Promise<Principal>;
}

/** One whose tokens lie in files that may be read again. */
export interface FileAuthenticator extends Authenticator {
  /** Reads the files again. Rejects and stays as it was if one of them is not good. */
  reload(): Promise<void>;
  /** Whether a principal that was accepted before is so no longer, since a reload. */
  isRevoked(principal: Principal): boolean;
}

export function unauthorized(what: string): SessileError {
  return new SessileError('unauthorized', what);
}

/** The known roles among names; others are those of other programs. */
export function rolesAmong(names: readonly unknown[]): Set<Role> {
  const roles = new Set<Role>();
  for (const name of names) if (name === 'client' || name === 'operator') roles.add(name);
  return roles;
}
