/**
 * A list of tokens in a file: a line each, the token, the name of its bearer and the bearer's
 * roles. Instead of the token its SHA-256 may stand there, so that the file lets nobody in.
 *
 *     # token                           name     roles (client, if left out)
 *     5f0c1d9aa1b94f4f8f0e8f7f2f6b1c3d  billing  client
 *     sha256:9f86d081884c7d65…          ops      client,operator
 *
 * Only hashes are kept. A token is compared by its hash, with all of them, in constant time: how
 * long that takes says nothing of what is in the list.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  type FileAuthenticator,
  type Principal,
  type Role,
  rolesAmong,
  unauthorized,
} from './authenticator.ts';
import { NAME_BYTES_MAX, TOKEN_BYTES_MAX, TOKEN_BYTES_MIN, TOKENS_MAX } from './limits.ts';
import { badFile, readSecretFile } from './secret-file.ts';

const OPTION = 'tokens';
const HASH_PREFIX = 'sha256:';

interface Entry {
  readonly hash: Buffer;
  readonly principal: Principal;
}

export class TokenList implements FileAuthenticator {
  readonly #path: string;
  #entries: readonly Entry[] = [];
  #current: ReadonlySet<Principal> = new Set();

  private constructor(path: string) {
    this.#path = path;
  }

  /** Throws `InvalidOptionError` that names the line when the file is no list of tokens. */
  static async open(path: string): Promise<TokenList> {
    const list = new TokenList(path);
    await list.reload();
    return list;
  }

  async reload(): Promise<void> {
    const text = (await readSecretFile(OPTION, this.#path)).toString('utf8');
    const entries = this.#parse(text).map((entry) => this.#known(entry) ?? entry);
    this.#entries = entries;
    this.#current = new Set(entries.map(({ principal }) => principal));
  }

  isRevoked(principal: Principal): boolean {
    return !this.#current.has(principal);
  }

  /** The bearer of a token, or undefined. */
  find(token: string): Principal | undefined {
    const hash = hashOf(token);
    let found: Principal | undefined;
    // To the end, whatever is found: the time must not tell where.
    for (const entry of this.#entries) {
      if (timingSafeEqual(entry.hash, hash)) found = entry.principal;
    }
    return found;
  }

  async authenticate(token: string | undefined): Promise<Principal> {
    if (token === undefined) throw unauthorized('a token is needed: give it in hello');
    const found = this.find(token);
    if (found === undefined) throw unauthorized('the token is not known here');
    return found;
  }

  /** The same entry from before a reload: whoever came with it then may stay. */
  #known({ hash, principal }: Entry): Entry | undefined {
    const { name, roles } = principal;
    return this.#entries.find(
      (other) =>
        other.hash.equals(hash) &&
        other.principal.name === name &&
        [...other.principal.roles].sort().join() === [...roles].sort().join(),
    );
  }

  #parse(text: string): Entry[] {
    const entries: Entry[] = [];
    const seen = new Set<string>();
    for (const [index, line] of text.split('\n').entries()) {
      const words = line.trim().split(/\s+/);
      if (words[0] === '' || words[0].startsWith('#')) continue;
      const entry = this.#entry(words, index + 1);
      const key = entry.hash.toString('hex');
      if (seen.has(key)) throw this.#bad(index + 1, 'the token stands there twice');
      seen.add(key);
      entries.push(entry);
    }
    if (entries.length > TOKENS_MAX) {
      throw badFile(OPTION, this.#path, `a file of at most ${TOKENS_MAX} tokens`);
    }
    if (entries.length === 0) {
      throw badFile(OPTION, this.#path, 'a file with at least one token: nobody could connect');
    }
    return entries;
  }

  #entry([token, name, roles = 'client', ...more]: readonly string[], line: number): Entry {
    if (name === undefined || more.length > 0) {
      throw this.#bad(line, 'a line is a token, a name and roles, such as client,operator');
    }
    if (Buffer.byteLength(name) > NAME_BYTES_MAX) {
      throw this.#bad(line, `a name has at most ${NAME_BYTES_MAX} bytes`);
    }
    const names = roles.split(',');
    const known: Set<Role> = rolesAmong(names);
    if (known.size !== names.length) {
      throw this.#bad(line, 'roles are client, operator or client,operator');
    }
    return { hash: this.#hash(token, line), principal: { name, roles: known } };
  }

  #hash(token: string, line: number): Buffer {
    if (token.startsWith(HASH_PREFIX)) {
      const digits = token.slice(HASH_PREFIX.length);
      if (/^[0-9a-fA-F]{64}$/.test(digits)) return Buffer.from(digits, 'hex');
      throw this.#bad(line, 'after sha256: stand 64 hexadecimal digits');
    }
    const length = Buffer.byteLength(token);
    if (length >= TOKEN_BYTES_MIN && length <= TOKEN_BYTES_MAX) return hashOf(token);
    throw this.#bad(line, `a token has ${TOKEN_BYTES_MIN} to ${TOKEN_BYTES_MAX} bytes`);
  }

  #bad(line: number, what: string): Error {
    return badFile(OPTION, this.#path, `a list of tokens; line ${line}: ${what}`);
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
