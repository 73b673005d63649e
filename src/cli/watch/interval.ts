/** The interval of `stat` and `top` on the command line, in seconds. */
import { InvalidArgumentError } from 'commander';

/** More often than this a look costs more than it shows. */
const SECONDS_MIN = 0.1;
const SECONDS_MAX = 86_400;

export function parseInterval(text: string): number {
  const seconds = Number(text);
  const isGood = /^\d+(\.\d+)?$/.test(text) && seconds >= SECONDS_MIN && seconds <= SECONDS_MAX;
  if (isGood) return seconds;
  throw new InvalidArgumentError(`It must be seconds from ${SECONDS_MIN} to ${SECONDS_MAX}.`);
}
