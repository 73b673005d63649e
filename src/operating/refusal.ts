/**
 * What the operator's HTTP answers instead of a result.
 */
import { InvalidOptionError, SessileError } from '../core/errors.ts';

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** The HTTP status of errors that have a name. */
const STATUS: Readonly<Record<string, number>> = {
  unauthorized: 401,
  forbidden: 403,
  request_in_flight: 409,
  server_busy: 503,
  shutting_down: 503,
  storage_failed: 503,
};

/** An error as a refusal; one that nobody foresaw says nothing of what is inside. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof InvalidOptionError) return new Refusal(400, error.code, error.message);
  const status = error instanceof SessileError ? STATUS[error.code] : undefined;
  if (!(error instanceof SessileError) || status === undefined) {
    return new Refusal(500, 'internal', 'something went wrong; see the log of the server');
  }
  const headers = status === 401 ? { 'www-authenticate': 'Bearer' } : {};
  return new Refusal(status, error.code, error.message, headers);
}
