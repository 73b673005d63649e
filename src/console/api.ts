/**
 * Asks the server that served this page. A token is kept in memory only and is gone with the page.
 */
import {
  type History,
  isStatus,
  type SessionDetails,
  type SessionPage,
  type Status,
} from './status.ts';

/** A server that needs longer than this counts as gone. */
const TIMEOUT_MS = 5_000;

/** No cross-site form can send this header, so nothing that changes happens by somebody's link. */
const CHANGES = { 'x-sessile-console': '1' };

/** The server answered, but with a refusal. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** A token is missing, unknown, or not one of an operator. */
  get isLocked(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

/** There was no answer, or none of this server. */
export class NoAnswer extends Error {}

export class Api {
  #token = '';

  get hasToken(): boolean {
    return this.#token !== '';
  }

  useToken(token: string): void {
    this.#token = token;
  }

  async status(): Promise<Status> {
    const status = await this.#ask('status.json');
    if (isStatus(status)) return status;
    throw new NoAnswer('what answers there is not a sessile server that this page knows');
  }

  async history(): Promise<History> {
    return (await this.#ask('history.json')) as History;
  }

  async sessions(query: URLSearchParams): Promise<SessionPage> {
    return (await this.#ask(`sessions.json?${query}`)) as SessionPage;
  }

  /** Null: there is no such live session. */
  async session(id: string): Promise<SessionDetails | null> {
    try {
      return (await this.#ask(`sessions/${id}`)) as SessionDetails;
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) return null;
      throw error;
    }
  }

  /** @returns whether the session was still live */
  async remove(id: string): Promise<boolean> {
    const answer = (await this.#ask(`sessions/${id}`, 'DELETE')) as { removed?: boolean };
    return answer.removed === true;
  }

  async #ask(path: string, method = 'GET'): Promise<unknown> {
    const headers = new Headers(method === 'GET' ? {} : CHANGES);
    if (this.hasToken) headers.set('authorization', `Bearer ${this.#token}`);
    let response: Response;
    let body: unknown;
    try {
      response = await fetch(path, {
        method,
        headers,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      body = await response.json().catch(() => undefined);
    } catch {
      throw new NoAnswer('the server does not answer');
    }
    if (response.ok && body !== undefined) return body;
    const { code = 'unknown', message = `the server answered ${response.status}` } = (body ??
      {}) as { code?: string; message?: string };
    throw new Refusal(response.status, code, message);
  }
}
