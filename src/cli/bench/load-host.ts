/** What the connections of a load share, and whom they tell what happens to them. */
import type { SessileError } from '../../core/errors.ts';
import type { Welcome } from '../../transport/client/welcome.ts';
import type { Endpoint } from '../endpoint.ts';
import type { LoadConnection } from './load-connection.ts';
import type { Pace } from './pace.ts';
import type { Tally } from './tally.ts';

export interface LoadHost {
  readonly endpoint: Endpoint;
  readonly pace: Pace;
  readonly tally: Tally;
  /** See `Ids`. */
  readonly prefix: Uint8Array;
  /** Requests in flight on one connection at most. */
  readonly inFlight: number;
  welcomed(connection: LoadConnection, welcome: Welcome): void;
  /** A register before the load was refused; its session is tried again in its turn. */
  notRegistered(error: SessileError): void;
  /** All its sessions were registered, or refused. */
  prepared(connection: LoadConnection): void;
  /** It has nothing in flight. */
  quiet(): void;
  /** The connection has ended. */
  lost(connection: LoadConnection, error: SessileError): void;
}
