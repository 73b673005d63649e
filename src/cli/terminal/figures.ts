/**
 * Figures as people read them: thousands apart, times and sizes with a fitting unit.
 */

/** A whole number with its thousands apart: 1234567 is 1,234,567. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** A whole number in at most five characters: 1234567 is 1.23M. */
export function shortCount(value: number): string {
  if (value < 9_999.5) return String(Math.round(value));
  return scaled(value, ['', 'k', 'M', 'G', 'T'], 1000);
}

/** Microseconds as a time: 61.3 µs, 1.25 ms, 2.5 s. */
export function time(us: number): string {
  if (us < 999.5) return `${digits(us)} µs`;
  if (us < 999_500) return `${digits(us / 1e3)} ms`;
  return `${digits(us / 1e6)} s`;
}

/** Milliseconds as a span: 12 s, 4 m 05 s, 3 h 20 m, 2 d 4 h. */
export function span(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return `${Math.floor(ms)} ms`;
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${two(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${two(minutes % 60)} m`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Bytes with a unit: 512 B, 1.5 KiB, 2.0 MiB. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  return `${scaled(bytes, ['', ' KiB', ' MiB', ' GiB', ' TiB'], 1024)}`;
}

/** A share as a percentage: 0.1234 is 12 %. */
export function share(part: number): string {
  return `${Math.round(part * 100)} %`;
}

function scaled(value: number, units: readonly string[], step: number): string {
  let rest = value;
  let unit = 0;
  // Ahead of rounding up to a thousand of the unit.
  while (rest >= step - 0.5 && unit < units.length - 1) {
    rest /= step;
    unit += 1;
  }
  return `${digits(rest)}${units[unit]}`;
}

/** Three digits at most. */
function digits(value: number): string {
  if (value < 9.995) return value.toFixed(2);
  return value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
