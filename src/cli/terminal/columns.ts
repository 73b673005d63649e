/**
 * Rows of cells as aligned columns. Escape sequences take no room.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin so
const ESCAPES = /\u001b\[[0-9;]*m/g;

export type Side = 'left' | 'right';

/** How many characters a text takes on a terminal. */
export function widthOf(text: string): number {
  return [...text.replace(ESCAPES, '')].length;
}

/** A text in at least so many characters. */
export function pad(text: string, width: number, side: Side): string {
  const room = ' '.repeat(Math.max(0, width - widthOf(text)));
  return side === 'left' ? text + room : room + text;
}

/** Lines of cells, each column as wide as its widest cell, with two spaces in between. */
export function columns(rows: readonly (readonly string[])[], sides: readonly Side[]): string[] {
  const widths = sides.map((_, i) => Math.max(0, ...rows.map((row) => widthOf(row[i] ?? ''))));
  return rows.map((row) =>
    row
      .map((cell, i) => pad(cell, widths[i], sides[i]))
      .join('  ')
      .trimEnd(),
  );
}

/** A text in at most so many characters; what is cut is marked. Only for text without escapes. */
export function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width
    ? text
    : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}
