/**
 * What somebody typed or pasted into the search of sessions. Ids are taken as they appear
 * elsewhere: in capitals, with dashes, as `hex:…` or `0x…`.
 */

export type Search =
  | { readonly kind: 'all' }
  | { readonly kind: 'prefix'; readonly prefix: string }
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Hexadecimal digits of an id. */
const ID_DIGITS = 32;

/** So much of a wrong input is repeated to whoever gave it. */
const QUOTED_MAX = 40;

export function parseSearch(input: string): Search {
  const text = input
    .trim()
    .toLowerCase()
    .replace(/^(?:hex:|0x)/, '')
    .replace(/[\s-]/g, '');
  if (text === '') return { kind: 'all' };
  const wrong = /[^0-9a-f]/u.exec(text)?.[0];
  if (wrong !== undefined) {
    const reason = `“${quoted(input)}” holds “${wrong}”; an id has only the digits 0–9 and a–f`;
    return { kind: 'invalid', reason };
  }
  if (text.length > ID_DIGITS) {
    const reason = `${text.length} digits are too many; an id has ${ID_DIGITS}`;
    return { kind: 'invalid', reason };
  }
  return text.length === ID_DIGITS ? { kind: 'id', id: text } : { kind: 'prefix', prefix: text };
}

function quoted(input: string): string {
  const characters = [...input.trim()];
  const start = characters.slice(0, QUOTED_MAX).join('');
  return characters.length > QUOTED_MAX ? `${start}…` : start;
}
