/**
 * The calls to the server itself, by name, in the words of the protocol: `stats`, `status`,
 * `list`, `inspect`, `remove`, `sweep`.
 */
import { CLIENT_ID_BYTES, clientIdBytes } from '../core/client-id.ts';
import { ErrorCode, Status } from '../core/codes.ts';
import { InvalidOptionError, SessileError } from '../core/errors.ts';
import { decodeValue, encodeValue } from '../services/values.ts';
import type { Operator, SessionEntry } from '../workers/operator.ts';
import { snakeCased } from './wire-names.ts';

/** What a call came to: a result, or an error that says that nothing was done. */
export type Outcome =
  | { readonly status: Status; readonly body: Uint8Array }
  | { readonly code: ErrorCode; readonly text: string | undefined };

type Fields = Readonly<Record<string, unknown>>;

export class OperatorCalls {
  readonly #operator: Operator;

  constructor(operator: Operator) {
    this.#operator = operator;
  }

  /** @param body the call's body, as msgpack */
  async run(name: string, body: Uint8Array): Promise<Outcome> {
    try {
      const result = await this.#run(name, decodeValue(body));
      if (result === UNKNOWN) return { code: ErrorCode.UNKNOWN_OPERATION, text: undefined };
      return { status: Status.OK, body: encodeValue(result) };
    } catch (error) {
      return outcomeOf(error);
    }
  }

  async #run(name: string, body: unknown): Promise<unknown> {
    const operator = this.#operator;
    switch (name) {
      case 'stats':
        return snakeCased(operator.stats());
      case 'status':
        return snakeCased(operator.status());
      case 'list':
        return this.#list(fieldsOf(body ?? {}));
      case 'inspect': {
        const found = await operator.inspect(idOf(body));
        if (found === null) return null;
        const { rate, capabilities } = found;
        const pair = rate === null ? null : [rate.perSecond, rate.burst];
        return { ...wireEntry(found), rate: pair, capabilities };
      }
      case 'remove':
        return operator.remove(idOf(body));
      case 'sweep':
        return operator.sweep();
      default:
        return UNKNOWN;
    }
  }

  async #list(fields: Fields): Promise<unknown> {
    const { limit, cursor, prefix, age_ms_min, idle_ms_min, ...others } = fields;
    const unknown = Object.keys(others)[0];
    if (unknown !== undefined) {
      throw new InvalidOptionError(unknown, others[unknown], 'left out: list has no such filter');
    }
    const query = {
      limit: limit as number | undefined,
      cursor: cursor as string | null | undefined,
      prefix: prefix as string | undefined,
      ageMsMin: age_ms_min as number | undefined,
      idleMsMin: idle_ms_min as number | undefined,
    };
    const given = Object.fromEntries(Object.entries(query).filter(([, value]) => value != null));
    const page = await this.#operator.list(given);
    return { sessions: page.sessions.map(wireEntry), cursor: page.cursor };
  }
}

const UNKNOWN = Symbol('no such call');

/** Errors that are told in the words that the protocol has for them. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  shutting_down: ErrorCode.SHUTTING_DOWN,
  storage_failed: ErrorCode.STORAGE_FAILED,
};

function outcomeOf(error: unknown): Outcome {
  if (error instanceof InvalidOptionError) {
    return { status: Status.INVALID_BODY, body: encodeValue(error.message) };
  }
  if (!(error instanceof SessileError)) {
    return { status: Status.INVALID_BODY, body: encodeValue(String(error)) };
  }
  if (error.code === 'request_in_flight') {
    return { code: ErrorCode.REQUEST_IN_FLIGHT, text: error.message };
  }
  return { code: CODES[error.code] ?? ErrorCode.SERVER_BUSY, text: undefined };
}

const PLAIN = '[object Object]';

function fieldsOf(body: unknown): Fields {
  // Bytes and times are objects too; a map is a plain one.
  const isMap = typeof body === 'object' && Object.prototype.toString.call(body) === PLAIN;
  if (isMap && body !== null) return body as Fields;
  throw new InvalidOptionError('body', body, 'a map');
}

function idOf(body: unknown): Uint8Array {
  const { id } = fieldsOf(body);
  if (id instanceof Uint8Array && id.byteLength === CLIENT_ID_BYTES) return clientIdBytes(id);
  throw new InvalidOptionError('id', id, 'an id of 16 bytes');
}

function wireEntry(entry: SessionEntry): Fields {
  return { ...(snakeCased(entry) as Fields), id: Buffer.from(entry.id, 'hex') };
}
