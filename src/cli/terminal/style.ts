/**
 * Colours for people: only on a terminal, and not where NO_COLOR asks for none
 * (https://no-color.org). Where there are none the text is the same without them.
 */

export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly yellow: Paint;
  readonly green: Paint;
  readonly cyan: Paint;
}

type Paint = (text: string) => string;

/** What `styleFor` looks at of a stream and its surroundings. */
export interface StyleHost {
  readonly isTTY?: boolean | undefined;
}

export function styleFor(stream: StyleHost, env: NodeJS.ProcessEnv = process.env): Style {
  const noColor = env.NO_COLOR !== undefined && env.NO_COLOR !== '';
  return stream.isTTY === true && !noColor && env.TERM !== 'dumb' ? COLOURED : PLAIN;
}

const paint =
  (on: number, off: number): Paint =>
  (text) =>
    text === '' ? text : `\u001b[${on}m${text}\u001b[${off}m`;

const same: Paint = (text) => text;

const PLAIN: Style = { bold: same, dim: same, red: same, yellow: same, green: same, cyan: same };

const COLOURED: Style = {
  bold: paint(1, 22),
  dim: paint(2, 22),
  red: paint(31, 39),
  yellow: paint(33, 39),
  green: paint(32, 39),
  cyan: paint(36, 39),
};
