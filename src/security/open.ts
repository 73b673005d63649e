/** The authenticator that the options of a server ask for: a list, signed tokens, or both. */
import { InvalidOptionError } from '../core/errors.ts';
import { type FileAuthenticator, type Principal, unauthorized } from './authenticator.ts';
import { JwtAuthenticator } from './jwt.ts';
import { TokenList } from './token-list.ts';

export interface TokenOptions {
  /** A file with a list of tokens. */
  readonly tokens?: string | undefined;
  /** A file with the key that signed tokens (JWTs) are verified with. */
  readonly jwtKey?: string | undefined;
  /** The `iss` and the `aud` that signed tokens must have; any if left out. */
  readonly jwtIssuer?: string | undefined;
  readonly jwtAudience?: string | undefined;
}

/** Undefined when nothing asks for tokens. Throws `InvalidOptionError` about a bad file. */
export async function openAuthenticator(
  options: TokenOptions,
): Promise<FileAuthenticator | undefined> {
  const { tokens, jwtKey, jwtIssuer: issuer, jwtAudience: audience } = options;
  if (jwtKey === undefined) {
    const name = issuer !== undefined ? 'jwtIssuer' : 'jwtAudience';
    const alone = issuer ?? audience;
    if (alone !== undefined) {
      const expected = 'left out without jwtKey: no JWT is taken';
      throw new InvalidOptionError(name, alone, expected, ['jwtKey']);
    }
  }
  const list = tokens === undefined ? undefined : await TokenList.open(tokens);
  if (jwtKey === undefined) return list;
  const signed = await JwtAuthenticator.open({ keyFile: jwtKey, issuer, audience });
  return list === undefined ? signed : new EitherAuthenticator(list, signed);
}

/** Looks for a token in the list, and verifies what is not there. */
class EitherAuthenticator implements FileAuthenticator {
  /** Those of the list that were accepted, to tell them from others. */
  readonly #listed = new WeakSet<Principal>();

  constructor(
    readonly list: TokenList,
    readonly signed: JwtAuthenticator,
  ) {}

  async authenticate(token: string | undefined): Promise<Principal> {
    if (token === undefined) throw unauthorized('a token is needed: give it in hello');
    const found = this.list.find(token);
    if (found === undefined) return this.signed.authenticate(token);
    this.#listed.add(found);
    return found;
  }

  async reload(): Promise<void> {
    // Each keeps what it had if its own file is bad; the other one is read all the same.
    const outcomes = await Promise.allSettled([this.list.reload(), this.signed.reload()]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  isRevoked(principal: Principal): boolean {
    return this.#listed.has(principal) && this.list.isRevoked(principal);
  }
}
