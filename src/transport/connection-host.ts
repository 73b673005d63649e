/**
 * What connections share: the front end's router, reader and buffers, and what it knows of them.
 */
import type { Authenticator } from '../security/authenticator.ts';
import type { FrontEndMeter } from '../workers/front-end-meter.ts';
import type { Router } from '../workers/router.ts';
import type { ConnectionEvents } from './connection-events.ts';
import type { MessageReader } from './message-reader.ts';
import type { Notices } from './notices.ts';
import type { OperatorCalls } from './operator-calls.ts';
import type { OutputPool } from './output.ts';
import type { SharedInput } from './shared-input.ts';

/** A connection, as its host has to do with it. */
export interface Hosted {
  /** Goes on with the input after it was blocked. */
  resume(): void;
  /** Sends what was written. */
  flush(): void;
}

export interface ConnectionHost {
  readonly router: Router;
  readonly reader: MessageReader;
  readonly input: SharedInput;
  readonly pool: OutputPool;
  readonly frameBytesMax: number;
  readonly operatorCalls: OperatorCalls;
  readonly events: ConnectionEvents;
  /** Counts what connections do. */
  readonly meter: FrontEndMeter;
  /** The names of the capabilities that the service offers, by bit. */
  readonly capabilities: readonly string[];
  /** What all those names take in a frame at most. */
  readonly capabilityBytes: number;
  /** The welcome frame, whole. */
  readonly welcome: Buffer;
  readonly stopping: boolean;
  /** Checks tokens; undefined where none are asked for. */
  readonly authenticator: Authenticator | undefined;
  readonly helloTimeoutMs: number;
  /** Says what happens to those who try to connect. */
  readonly notices: Notices;
  /** Whether the clock need not be read for so many messages more of this turn. */
  clockIsFresh(messages: number): boolean;
  /** The connection was blocked; call `resume` once there may be room. */
  blocked(connection: Hosted): void;
  /** It has output that was written outside its own turn. */
  dirty(connection: Hosted): void;
  closed(connection: Hosted): void;
}
