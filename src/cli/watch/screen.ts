/**
 * The terminal as one screen that is drawn over and over: an alternate one, so that what was there
 * before comes back, whatever ends the process.
 */
import type { ReadStream, WriteStream } from 'node:tty';

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** What the keys that end it send: q, Q, Ctrl-C, Ctrl-D. */
const QUIT = ['q', 'Q', '\u0003', '\u0004'];

export class TerminalScreen {
  readonly #output: WriteStream;
  readonly #input: ReadStream | undefined;
  readonly #restore = (): void => this.leave();
  #isEntered = false;
  #quit: () => void = () => {};
  #resized: () => void = () => {};

  /** @param input undefined where nobody can press a key */
  constructor(output: WriteStream, input: ReadStream | undefined) {
    this.#output = output;
    this.#input = input;
  }

  get width(): number {
    return this.#output.columns;
  }

  get height(): number {
    return this.#output.rows;
  }

  /** Takes the terminal over until `leave`, or the end of the process. */
  enter(quit: () => void, resized: () => void): void {
    this.#isEntered = true;
    this.#quit = quit;
    this.#resized = resized;
    process.on('exit', this.#restore);
    this.#output.on('resize', this.#resized);
    this.#input?.setRawMode(true);
    this.#input?.on('data', this.#pressed);
    this.#output.write(ENTER);
  }

  draw(lines: readonly string[]): void {
    if (!this.#isEntered) return;
    const text = lines.map((line) => `${line}${CLEAR_LINE}`).join('\r\n');
    this.#output.write(`${HOME}${text}${CLEAR_BELOW}`);
  }

  leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    process.off('exit', this.#restore);
    this.#output.off('resize', this.#resized);
    this.#input?.off('data', this.#pressed);
    this.#input?.setRawMode(false);
    this.#input?.pause();
    this.#output.write(LEAVE);
  }

  readonly #pressed = (bytes: Buffer): void => {
    const keys = bytes.toString('latin1');
    if (QUIT.some((key) => keys.includes(key))) this.#quit();
  };
}
