/**
 * Tokens that are signed: JWTs with the claims `sub`, `exp`, `roles` and, if given, `nbf`, `iss`
 * and `aud`. The algorithm is that of the server's key, whatever the token says.
 */
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import {
  type FileAuthenticator,
  type Principal,
  rolesAmong,
  unauthorized,
} from './authenticator.ts';
import { readVerificationKey, type VerificationKey } from './jwt-keys.ts';
import { NAME_BYTES_MAX } from './limits.ts';

export interface JwtOptions {
  readonly keyFile: string;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** Milliseconds since 1970; the system's clock if not given. */
  readonly now?: () => number;
}

export class JwtAuthenticator implements FileAuthenticator {
  readonly #options: JwtOptions;
  #key: VerificationKey;

  private constructor(options: JwtOptions, key: VerificationKey) {
    this.#options = options;
    this.#key = key;
  }

  static async open(options: JwtOptions): Promise<JwtAuthenticator> {
    return new JwtAuthenticator(options, await readVerificationKey(options.keyFile));
  }

  async reload(): Promise<void> {
    this.#key = await readVerificationKey(this.#options.keyFile);
  }

  /** A connection that was let in stays until its token expires. */
  isRevoked(): boolean {
    return false;
  }

  async authenticate(token: string | undefined): Promise<Principal> {
    if (token === undefined) throw unauthorized('a token is needed: give it in hello');
    return principalOf(await this.#verified(token));
  }

  async #verified(token: string): Promise<JWTPayload> {
    const { issuer, audience, now = Date.now } = this.#options;
    const { key, algorithms } = this.#key;
    const options = {
      algorithms: [...algorithms],
      requiredClaims: ['sub', 'exp'],
      currentDate: new Date(now()),
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    };
    try {
      // The two kinds of key have signatures of their own.
      const { payload } = await jwtVerify(token, key as JWTVerifyGetKey, options);
      return payload;
    } catch (error) {
      throw unauthorized(problemOf(error));
    }
  }
}

function principalOf({ sub, exp, roles = ['client'] }: JWTPayload): Principal {
  if (typeof sub !== 'string' || sub === '' || Buffer.byteLength(sub) > NAME_BYTES_MAX) {
    throw unauthorized(`the token's sub must be a name of 1 to ${NAME_BYTES_MAX} bytes`);
  }
  const known = Array.isArray(roles) ? rolesAmong(roles) : new Set<never>();
  if (known.size === 0) throw unauthorized("the token's roles name neither client nor operator");
  return { name: sub, roles: known, expiresAtMs: (exp as number) * 1000 };
}

/** What is wrong with a token, in words that say nothing of what is in it. */
function problemOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'nbf'
      ? 'the token is not good yet'
      : `the token's claim ${error.claim} is missing or not the one expected`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return "the token's algorithm is not that of the server's key";
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return "the token's signature is not of the server's key";
  }
  return 'the token cannot be verified';
}
