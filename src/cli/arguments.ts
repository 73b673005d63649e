/**
 * How the command line declares an option: with a default that `--help` shows, and an environment
 * variable of the same name (`--sessions-max` is `SESSILE_SESSIONS_MAX`).
 */
import { InvalidArgumentError, Option } from 'commander';

export function option(flags: string, text: string, value: string): Option {
  return new Option(flags, text).default(value).env(variable(flags));
}

export function numeric(flags: string, text: string, value: number): Option {
  return new Option(flags, text).default(value).env(variable(flags)).argParser(wholeNumber);
}

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** The environment variable of an option. */
export function variable(flags: string): string {
  const name = flags.slice(2).split(' ', 1)[0];
  return `SESSILE_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** The flag of an option of `serve` by its name in the library: `tlsKey` is `--tls-key`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
