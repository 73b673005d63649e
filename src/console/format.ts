/**
 * Numbers, times and sizes as text for people. Digits are grouped by narrow spaces that do not
 * break, so a number stays in one piece and reads the same in every language.
 */

const NARROW_SPACE = '\u202f';
const SPACE = '\u00a0';

/** Stands where there is no value. */
export const NONE = '–';

/** A whole number: `12 430`. */
export function whole(value: number): string {
  return fixed(value, 0);
}

/** So many a second: whole from ten on, with one decimal below, and never a zero that is none. */
export function perSecond(value: number): string {
  if (value === 0) return '0';
  if (value < 0.05) return 'under 0.1';
  return value < 9.95 ? fixed(value, 1) : whole(value);
}

/** A length of time below minutes, from microseconds: `85 µs`, `0.42 ms`, `1.3 s`. */
export function microseconds(us: number): string {
  if (us < 99.5) return `${fixed(us, us < 9.95 ? 1 : 0)}${SPACE}µs`;
  if (us < 999_500) {
    const ms = us / 1e3;
    return `${fixed(ms, ms < 0.995 ? 2 : ms < 9.95 ? 1 : 0)}${SPACE}ms`;
  }
  const seconds = us / 1e6;
  return `${fixed(seconds, seconds < 9.95 ? 1 : 0)}${SPACE}s`;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A length of time in its two largest units: `3 h 4 min`. Never rounds up to what is not over. */
export function duration(ms: number): string {
  if (ms < SECOND_MS) return `${Math.max(0, Math.floor(ms))}${SPACE}ms`;
  if (ms < MINUTE_MS) return unit(ms / SECOND_MS, 's');
  if (ms < HOUR_MS) return pair(ms, MINUTE_MS, 'min', SECOND_MS, 's');
  if (ms < DAY_MS) return pair(ms, HOUR_MS, 'h', MINUTE_MS, 'min');
  return pair(ms, DAY_MS, ms < 2 * DAY_MS ? 'day' : 'days', HOUR_MS, 'h');
}

function pair(ms: number, large: number, name: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  const first = unit(ms / large, name);
  return rest === 0 ? first : `${first} ${unit(rest, smallName)}`;
}

function unit(value: number, name: string): string {
  return `${grouped(Math.floor(value).toFixed(0))}${SPACE}${name}`;
}

const SIZES = ['KiB', 'MiB', 'GiB', 'TiB'];

/** A size in memory or on disk: `512 bytes`, `1.5 MiB`. */
export function bytes(value: number): string {
  if (value < 1_024) return `${whole(value)}${SPACE}${Math.round(value) === 1 ? 'byte' : 'bytes'}`;
  let size = value / 1_024;
  let index = 0;
  while (size >= 1_023.5 && index < SIZES.length - 1) {
    size /= 1_024;
    index += 1;
  }
  return `${fixed(size, size < 9.95 ? 1 : 0)}${SPACE}${SIZES[index]}`;
}

/** A part of a whole. More than nothing never shows as nothing, nor less than all as all. */
export function percent(part: number, all: number): string {
  if (all <= 0 || part <= 0) return `0${SPACE}%`;
  const value = (part / all) * 100;
  if (value < 0.1) return `under 0.1${SPACE}%`;
  if (value < 10) return `${fixed(value, 1)}${SPACE}%`;
  const shown = value < 100 ? Math.min(99, Math.round(value)) : Math.round(value);
  return `${shown}${SPACE}%`;
}

/** A time of day, in the zone of whoever reads it: `14:03:27`. */
export function clock(timeMs: number): string {
  const time = new Date(timeMs);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(twoDigits).join(':');
}

/** A day and a time: `2026-11-21 14:03:27`. */
export function dateAndClock(timeMs: number): string {
  const time = new Date(timeMs);
  const day = [time.getMonth() + 1, time.getDate()].map(twoDigits).join('-');
  return `${time.getFullYear()}-${day} ${clock(timeMs)}`;
}

/** The noun that fits the number. */
export function counted(value: number, one: string, many: string): string {
  return `${whole(value)} ${Math.round(value) === 1 ? one : many}`;
}

/** A name of the wire for people: `rate_limited` becomes `rate limited`. */
export function words(name: string): string {
  return name.replaceAll('_', ' ');
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/** Always so many digits: a figure that changes every second should not change its width. */
function fixed(value: number, digits: number): string {
  return grouped(value.toFixed(digits));
}

function grouped(digits: string): string {
  const [wholePart, fraction] = digits.split('.');
  const text = wholePart.replace(/\B(?=(\d{3})+$)/g, NARROW_SPACE);
  return fraction === undefined ? text : `${text}.${fraction}`;
}
