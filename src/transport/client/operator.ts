/**
 * The server's own operations, for whoever operates it: calls without an id. None of them counts
 * as activity of a session.
 */
import type { ClientId } from '../../core/client-id.ts';
import { clientIdBytes } from '../../core/client-id.ts';
import { InvalidOptionError, integerOption } from '../../core/errors.ts';
import type { EngineStatus } from '../../workers/status.ts';
import type { SessionDetails, SessionEntry, SessionPage } from './answers.ts';
import {
  readBoolean,
  readCamelMap,
  readDetails,
  readNumber,
  readPage,
  readStatus,
} from './answers.ts';
import { ProtocolError } from './errors.ts';
import type { RequestOptions } from './options.ts';
import type { Run } from './session-data.ts';

/** Which sessions to list; without a field its condition holds for all. */
export interface SessionFilter {
  /** Sessions in one page at most; the server's limit if not given. */
  readonly limit?: number | undefined;
  /** Where to begin: the `cursor` of the page before. */
  readonly cursor?: string | null | undefined;
  /** The first hexadecimal digits of the client id. */
  readonly prefix?: string | undefined;
  /** Idle for at least so many ms. */
  readonly idleMsMin?: number | undefined;
  /** Registered at least so many ms ago. */
  readonly ageMsMin?: number | undefined;
}

const LIMIT_MAX = 2 ** 32 - 1;
const PREFIX = /^[0-9a-f]{0,32}$/i;

export class Operator {
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  async stats(options: RequestOptions): Promise<Record<string, unknown>> {
    return readCamelMap('stats', await this.#run('stats', null, options));
  }

  async status(options: RequestOptions): Promise<EngineStatus> {
    return readStatus(await this.#run('status', null, options));
  }

  async list(filter: SessionFilter, options: RequestOptions): Promise<SessionPage> {
    return readPage(await this.#run('list', filterFields(filter), options));
  }

  async *sessions(
    filter: SessionFilter,
    options: RequestOptions,
  ): AsyncGenerator<SessionEntry, void, undefined> {
    let cursor = filter.cursor ?? null;
    do {
      const page = await this.list({ ...filter, cursor }, options);
      yield* page.sessions;
      if (page.cursor !== null && page.cursor === cursor) {
        throw new ProtocolError("the server's list does not get on: its cursor stays the same");
      }
      cursor = page.cursor;
    } while (cursor !== null);
  }

  async inspect(id: ClientId, options: RequestOptions): Promise<SessionDetails | null> {
    return readDetails(await this.#run('inspect', { id: clientIdBytes(id) }, options));
  }

  async remove(id: ClientId, options: RequestOptions): Promise<boolean> {
    return readBoolean('remove', await this.#run('remove', { id: clientIdBytes(id) }, options));
  }

  async sweep(options: RequestOptions): Promise<number> {
    return readNumber('sweep', await this.#run('sweep', null, options));
  }
}

/** The body of a list, under its names on the wire. */
function filterFields(filter: SessionFilter): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const { limit, cursor, prefix, idleMsMin, ageMsMin } = filter;
  if (limit !== undefined) fields.limit = integerOption('limit', limit, 1, LIMIT_MAX);
  if (cursor !== undefined && cursor !== null) {
    if (typeof cursor !== 'string') throw new InvalidOptionError('cursor', cursor, 'a text');
    fields.cursor = cursor;
  }
  if (prefix !== undefined) {
    if (typeof prefix !== 'string' || !PREFIX.test(prefix)) {
      throw new InvalidOptionError('prefix', prefix, 'up to 32 hexadecimal digits');
    }
    fields.prefix = prefix.toLowerCase();
  }
  const age = (name: string, value: unknown) =>
    integerOption(name, value, 0, Number.MAX_SAFE_INTEGER);
  if (idleMsMin !== undefined) fields.idle_ms_min = age('idleMsMin', idleMsMin);
  if (ageMsMin !== undefined) fields.age_ms_min = age('ageMsMin', ageMsMin);
  return fields;
}
