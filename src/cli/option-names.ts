/**
 * Errors in the words of the command line: an option that the library calls `tlsKey` is `--tls-key`
 * there, and where a variable of the environment gave it, that one is named too.
 */
import type { Command, Option } from 'commander';
import { InvalidOptionError, SessileError } from '../core/errors.ts';

/** What the library calls otherwise than the command line. */
const ALIASES: Readonly<Record<string, string>> = { path: 'socket' };

/** The name of a server's complaint about an option, as on the wire: `idle_ms_min is …`. */
const COMPLAINT = /^([a-z_]+)(?= is )/i;

/** What an error says to whoever gave the command. */
export function terminalText(error: unknown, command: Command | undefined): string {
  if (!(error instanceof Error)) return String(error);
  if (command === undefined || !(error instanceof SessileError)) return error.message;
  const nameOf = (option: string): string => nameIn(option, command);
  if (error instanceof InvalidOptionError) return error.textWith(nameOf);
  // What a server refused comes as a text.
  if (error.code === 'invalid_options') return error.message.replace(COMPLAINT, nameOf);
  return error.code === 'tls_required' ? `${error.message} (--tls)` : error.message;
}

/** The flag of an option; its own name where the command has no such option. */
function nameIn(name: string, command: Command): string {
  const [first, ...rest] = name.split('.');
  const own = optionOf(rest.at(-1) ?? first, command);
  if (own !== undefined) return labelOf(own, command);
  const whole = optionOf(first, command);
  return whole === undefined ? name : `${labelOf(whole, command)} (${rest.join('.')})`;
}

function optionOf(name: string, { options }: Command): Option | undefined {
  const known = ALIASES[name] ?? name;
  const attribute = known.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return options.find((option) => option.attributeName() === attribute);
}

function labelOf(option: Option, command: Command): string {
  const flag = option.long ?? option.flags;
  const isFromVariable = command.getOptionValueSource(option.attributeName()) === 'env';
  return isFromVariable ? `${flag} (${option.envVar})` : flag;
}
