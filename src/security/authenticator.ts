/**
 * Who speaks: what a token says about its bearer. The client front end asks at hello, the
 * operator's HTTP at each request; how a token is checked is the business of an implementation.
 */

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
