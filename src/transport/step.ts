/** What became of one frame of a connection. */
export const enum Step {
  NEXT = 0,
  /** The frame could not be taken now: keep it. */
  BLOCKED = 1,
  /** The client does not read its answers: no further frame until it has. */
  STALLED = 2,
  /** The connection is closing: no further frame. */
  CLOSING = 3,
  /** A token is being checked: no further frame until it is. */
  CHECKING = 4,
}
