/**
 * The public face of sessile: embedding (`Engine`, `attach`), serving (`serve`), the TCP client
 * (`connect`), and what a service module needs.
 */

export { AssertionFailure } from './core/assert.ts';
export type { ClientId } from './core/client-id.ts';
export type { ErrorName, ReasonName, StatusName } from './core/codes.ts';
export { InvalidOptionError, SessileError } from './core/errors.ts';
export type { EventFields, EventLog, EventName, EventValue } from './core/event-log.ts';
export {
  RateLimitedError,
  RefusedError,
  ReplyStatusError,
  SessionEvictedError,
} from './core/session-errors.ts';
export { attach } from './embedding/attach.ts';
export type { EngineOptions } from './embedding/options.ts';
export type { Begun } from './embedding/two-phase.ts';
export type {
  EngineTicket,
  RateLimit,
  Registered,
  RegisterOptions,
  Reply,
} from './embedding/types.ts';
export type { EngineView } from './embedding/view.ts';
export { Engine } from './engine.ts';
export type { KeyClock } from './keys/clock.ts';
export type { KeyConnection } from './keys/connection-store.ts';
export type { KeyEngine } from './keys/engine-store.ts';
export {
  type IdempotencyKey,
  KeyInProgressError,
  KeyLeaseLostError,
  KeyMismatchError,
  KeyOutcomeUnknownError,
  KeyResultNotStorableError,
  KeyResultTooLargeError,
} from './keys/errors.ts';
export { IdempotencyKeys, type RunOptions } from './keys/idempotency-keys.ts';
export { keyStoreOf } from './keys/key-store-of.ts';
export type { KeyOptions } from './keys/options.ts';
export type { KeyRegistered, KeyRegisterOptions, KeyStore } from './keys/store.ts';
export { type RunningServer, type ServeOptions, serve } from './serve.ts';
export type { ServiceContext } from './services/context.ts';
export type { Operation, Service, SessionIdentity } from './services/service.ts';
export { sessionData } from './services/session-data.ts';
export type {
  SessionDetails,
  SessionEntry,
  SessionInfo,
  SessionPage,
  Versioned,
} from './transport/client/answers.ts';
export { type Connection, connect } from './transport/client/connection.ts';
export {
  ConflictError,
  ConnectionClosedError,
  ProtocolError,
  QueueFullError,
  RequestTimeoutError,
  TlsError,
  TooManyConflictsError,
} from './transport/client/errors.ts';
export type { SessionFilter } from './transport/client/operator.ts';
export type {
  ConnectOptions,
  Rate,
  RequestOptions,
  SessionOptions,
  TlsSettings,
  Token,
} from './transport/client/options.ts';
export type { Session } from './transport/client/session.ts';
export type { SessionState } from './transport/client/session-core.ts';
export type { BatchItem, SessionData, UpdateOptions } from './transport/client/session-data.ts';
export { VERSION } from './version.ts';
export type { EngineStats } from './workers/stats.ts';
export type { EngineStatus } from './workers/status.ts';
