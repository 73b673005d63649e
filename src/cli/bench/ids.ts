/**
 * The client ids of one connection's sessions, and the frames that consist of little else: twelve
 * bytes are the same in the whole run, and four say which session of the run it is.
 */
import { closeFrame, Identity, registerFrame } from '../../transport/client/frames.ts';
import { ID_BYTES } from '../../transport/protocol.ts';

const INDEX_BYTES = 4;
export const PREFIX_BYTES = ID_BYTES - INDEX_BYTES;

export class Ids {
  /**
   * @param prefix the first twelve bytes of each id
   * @param base the index of the first session
   */
  constructor(
    readonly prefix: Uint8Array,
    readonly base: number,
  ) {}

  register(lane: number): Buffer {
    return registerFrame(this.#identity(lane), {});
  }

  /** Ends whichever session of the id is live. */
  close(lane: number): Buffer {
    return closeFrame(this.#identity(lane), 0);
  }

  /** Which of the sessions an id is that the server told. */
  laneOf(id: string): number {
    return Number.parseInt(id.slice(-2 * INDEX_BYTES), 16) - this.base;
  }

  #identity(lane: number): Identity {
    const id = Buffer.alloc(ID_BYTES);
    id.set(this.prefix);
    id.writeUInt32BE(this.base + lane, PREFIX_BYTES);
    return new Identity(id);
  }
}
