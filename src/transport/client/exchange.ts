/**
 * One frame that wants one answer, however often it must be sent for that. It counts its copies:
 * only when none is without an answer does a refusal prove that nothing was executed.
 */
export interface ExchangeHooks {
  /** A copy was handed to the socket. */
  sent?(): void;
  /** The connection is gone. Answers whether to send the frame again over the next one. */
  lost(): boolean;
}

export class Exchange {
  /** Copies handed to a socket so far. */
  sends = 0;
  /** Copies that nothing has answered. Those of lost connections stay in it. */
  unanswered = 0;
  /** How often the server has put it off. */
  retries = 0;
  /** Set while the exchange waits to be submitted again. */
  timer: NodeJS.Timeout | undefined;

  constructor(
    readonly frame: Buffer,
    readonly hooks: ExchangeHooks,
  ) {}
}
