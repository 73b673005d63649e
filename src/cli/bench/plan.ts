/**
 * What a run is to do: the options of `sessile bench` after the checks, with what was left out
 * filled in.
 */
import { randomBytes } from 'node:crypto';
import { InvalidOptionError, integerOption } from '../../core/errors.ts';
import { PAYLOAD_BYTES_MAX } from '../../core/limits.ts';

/** A process has about so many sockets by default on the systems that have the fewest. */
const CONNECTIONS_MAX = 10_000;
/** More than `in_flight_max` of any server, which is advice. */
const IN_FLIGHT_MAX = 65_536;
/** What the load keeps of a session is 22 bytes: 350 MiB at most. */
const SESSIONS_MAX = 2 ** 24;
/** Above what one process can send. */
const RATE_MAX = 10_000_000;
/** Node's timers wait no longer. */
const SECONDS_MAX = 2_000_000;

const CONNECTIONS_DEFAULT = 4;
const IN_FLIGHT_DEFAULT = 16;
const SECONDS_DEFAULT = 10;

export interface Plan {
  readonly connections: number;
  /** Requests in flight on each connection at most. */
  readonly inFlight: number;
  readonly sessions: number;
  /** How long to send; undefined = until `requests` were sent. */
  readonly seconds: number | undefined;
  /** How many to send; undefined = for `seconds`. */
  readonly requests: number | undefined;
  /** Requests a second on a fixed schedule; 0 = a closed loop. */
  readonly rate: number;
  readonly size: number;
  readonly operation: string;
  readonly body: unknown;
  readonly seed: string;
  readonly warmUpSeconds: number;
  readonly reconnectMs: number;
  /** Leaves the sessions at the server. */
  readonly keep: boolean;
}

/** The options as they were given. */
export interface GivenPlan {
  readonly connections?: number;
  readonly pipeline?: number;
  readonly sessions?: number;
  readonly duration?: number;
  readonly requests?: number;
  readonly rate?: number;
  readonly size: number;
  readonly operation: string;
  readonly body?: string;
  readonly seed?: string;
  readonly warmUp: number;
  readonly reconnectMs: number;
  readonly keep?: boolean;
}

/** @throws InvalidOptionError */
export function planOf(given: GivenPlan): Plan {
  const whole = integerOption;
  const connections = whole('-c', given.connections ?? CONNECTIONS_DEFAULT, 1, CONNECTIONS_MAX);
  const inFlight = whole('-P', given.pipeline ?? IN_FLIGHT_DEFAULT, 1, IN_FLIGHT_MAX);
  const { requests, duration, warmUp } = given;
  if (requests !== undefined && duration !== undefined) {
    throw new InvalidOptionError('-n', requests, 'given without -d, or -d without -n');
  }
  if (requests !== undefined && warmUp > 0) {
    throw new InvalidOptionError('--warm-up', warmUp, 'left out where -n counts the requests');
  }
  const least = connections * inFlight;
  const sessions = given.sessions ?? least;
  const atLeast = `at least connections × in flight, here ${least}, as a session has one request`;
  if (sessions < least || sessions > SESSIONS_MAX) {
    const expected = `${atLeast} at a time, and at most ${SESSIONS_MAX}`;
    throw new InvalidOptionError('--sessions', sessions, expected);
  }
  return {
    connections,
    inFlight,
    sessions,
    requests: requests === undefined ? undefined : whole('-n', requests, 1, 2 ** 48),
    seconds:
      requests === undefined ? secondsOf('-d', duration ?? SECONDS_DEFAULT, 0.001) : undefined,
    rate: given.rate === undefined ? 0 : whole('--rate', given.rate, 1, RATE_MAX),
    size: whole('--size', given.size, 0, PAYLOAD_BYTES_MAX),
    operation: given.operation,
    body: given.body === undefined ? undefined : bodyOf(given.body),
    seed: given.seed ?? randomBytes(8).toString('hex'),
    warmUpSeconds: secondsOf('--warm-up', warmUp, 0),
    reconnectMs: given.reconnectMs,
    keep: given.keep ?? false,
  };
}

function secondsOf(option: string, value: number, least: number): number {
  if (value >= least && value <= SECONDS_MAX) return value;
  throw new InvalidOptionError(option, value, `seconds from ${least} to ${SECONDS_MAX}`);
}

function bodyOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidOptionError('--body', text, 'JSON, such as \'{"color":"blue"}\' or null');
  }
}
