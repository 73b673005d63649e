/**
 * The numbers of the wire protocol, version 1. docs/protocol.md describes each frame; this file is
 * the one place in the code where they stand.
 */
export const PROTOCOL_VERSION = 1;
export const DEFAULT_PORT = 7377;
export const DEFAULT_HOST = '127.0.0.1';

/** Frames to the server. */
export const enum ToServer {
  HELLO = 0,
  REGISTER = 1,
  REQUEST = 2,
  CLOSE = 3,
  PING = 4,
  CALL = 5,
}

/** Frames to the client. */
export const enum ToClient {
  WELCOME = 16,
  REGISTERED = 17,
  REPLY = 18,
  EVICTION = 19,
  PONG = 20,
  RESULT = 21,
  ERROR = 22,
}

/** Writers use the 5-byte form of a frame's length, so that it can be filled in afterwards. */
export const FRAME_HEADER_BYTES = 5;

/** A frame's length prefix in any legal width is at most 9 bytes: one prefix and eight. */
export const FRAME_HEADER_BYTES_MAX = 9;

/** Bytes of a client id on the wire. */
export const ID_BYTES = 16;

/** Bytes of a frame beside its body: kind, id, numbers and prefixes, rounded up. */
export const FRAME_OVERHEAD_BYTES = 64;
